"""Requests without a key, by host and site."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.api.middleware import authorization
from app.api.middleware.authorization import Authorization
from app.api.middleware.browser_guards import KnownHosts
from app.jobs.model.pipeline import Registry

HERE = "127.0.0.1"


def status(
    *,
    reached: str | None = HERE,
    host: str = "127.0.0.1:8000",
    is_open: bool = False,
    hosts: str = "",
    guards_loopback: bool = False,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """What a request is answered that has reached this address with this `Host`. None: the
    server listens on a socket of Unix."""
    scopes = authorization.build_scopes(Registry([]))
    guarded = Authorization(
        PlainTextResponse("hello"), scopes=scopes, is_open=is_open, guards_loopback=guards_loopback
    )
    api = KnownHosts(guarded, is_open=is_open, hosts=hosts.split())

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        server = ("/run/api.sock", None) if reached is None else (reached, 8000)
        await api({**scope, "server": server}, receive, send)

    async def ask() -> int:
        transport = httpx2.ASGITransport(app=served)
        async with httpx2.AsyncClient(transport=transport, base_url="http://any") as client:
            return (await client.get("/metrics", headers={"Host": host, **headers})).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1:8000", id="the address"),
        pytest.param("localhost:8000", id="the name"),
        pytest.param("LOCALHOST", id="in capitals, without a port"),
        pytest.param("[::1]:8000", id="in the other protocol"),
        pytest.param("", id="no name, as old clients and probes ask"),
    ],
)
def test_this_machine_is_answered_by_its_own_names(host: str) -> None:
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("evil.example", id="a name that was made to point here"),
        pytest.param("evil.example:8000", id="with our port"),
        pytest.param("localhost.evil.example", id="a name that starts like ours"),
        pytest.param("192.168.1.5", id="another address"),
    ],
)
def test_a_page_cannot_come_in_by_a_name_of_its_own(host: str) -> None:
    assert status(host=host) == 421


def test_names_that_were_given_are_ours_too() -> None:
    assert status(host="jobs.example", hosts="Jobs.example") == 200
    assert status(host="evil.example", hosts="Jobs.example") == 421
    assert status(host="evil.example", hosts="jobs.example", is_open=True) == 421


@pytest.mark.parametrize("reached", ["10.0.0.7", "fe80::1", "::ffff:10.0.0.7", "api", ""])
def test_who_comes_from_outside_is_refused_however_the_server_was_started(reached: str) -> None:
    assert status(reached=reached) == 401
    assert status(reached=reached, host="localhost") == 401
    assert status(reached=reached, host="any.example", is_open=True) == 200


@pytest.mark.parametrize("reached", [HERE, "127.9.9.9", "::1", "::ffff:127.0.0.1", None])
def test_what_only_this_machine_reaches_is_local(reached: str | None) -> None:
    assert status(reached=reached) == 200


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For"])
def test_what_a_proxy_on_this_machine_forwards_needs_a_key(header: str) -> None:
    assert status(headers={header: "for=10.0.0.9"}) == 401


def test_this_machine_needs_a_key_too_where_that_is_wanted() -> None:
    assert status(guards_loopback=True) == 401


def test_credentials_of_another_guard_are_not_taken_for_a_key() -> None:
    assert status(is_open=True, headers={"Authorization": "Bearer of.somebody.else"}) == 200
    assert status(is_open=True, headers={"Authorization": "Basic dTpw"}) == 200
