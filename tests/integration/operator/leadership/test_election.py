"""Of several operators on one API server, one acts at any moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.operator.kubernetes.apiserver import ApiServer
from app.operator.leadership import lease
from app.operator.leadership.election import Leadership
from tests import waiting
from tests.integration.operator.serving import serving

LEASES = "/prefix/apis/coordination.k8s.io/v1/namespaces"


@dataclass
class Clock:
    """Each process has one of its own; it moves when a test says so."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Leases:
    """Leases as an API server keeps them: a version for each write, a conflict for a stale one."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: int | None = None
    version: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        if self.failing is not None:
            return web.json_response({"message": "no"}, status=self.failing)
        namespace = request.path.removeprefix(LEASES).split("/")[1]
        if request.method == "GET":
            found = self.held.get(namespace)
            return web.json_response(found or {}, status=200 if found else 404)
        body = await request.json()
        if request.method == "POST":
            return self._write(namespace, body["spec"], is_stale=namespace in self.held)
        known = self.held[namespace]["metadata"]["resourceVersion"]
        is_stale = body["metadata"]["resourceVersion"] != known
        return self._write(
            namespace, self.held[namespace]["spec"] | body["spec"], is_stale=is_stale
        )

    def _write(self, namespace: str, spec: dict[str, Any], *, is_stale: bool) -> web.Response:
        if is_stale:
            return web.json_response({"message": "changed"}, status=409)
        self.version += 1
        meta = {"resourceVersion": str(self.version)}
        self.held[namespace] = {"metadata": meta, "spec": spec}
        return web.json_response(self.held[namespace])

    def holder(self, namespace: str = "shop") -> str:
        found = self.held.get(namespace)
        return found["spec"]["holderIdentity"] if found else ""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RETRY_S", 0.01)
    monkeypatch.setattr(lease, "STANDBY_RETRY_S", 0.01)


@asynccontextmanager
async def running(leadership: Leadership) -> AsyncIterator[Leadership]:
    task = asyncio.create_task(leadership.run())
    try:
        yield leadership
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def build(server: ApiServer, me: str, clock: Clock, *namespaces: str) -> Leadership:
    return Leadership(server, namespaces or ("shop",), me=me, clock=clock)


async def gained(leadership: Leadership) -> None:
    async with asyncio.timeout(30):
        await leadership.gained()


async def lost(leadership: Leadership) -> None:
    async with asyncio.timeout(30):
        await leadership.lost()


def test_of_two_one_leads_and_the_other_follows_when_it_is_released(account: Path) -> None:
    async def scenario() -> None:
        leases = Leases()
        async with serving(leases.handle, account) as server:
            first, second = build(server, "first", Clock()), build(server, "second", Clock())
            async with running(second):
                async with running(first):
                    await waiting.eventually_async(lambda: first.is_leading or second.is_leading)
                    leader, other = (first, second) if first.is_leading else (second, first)
                    want = leases.version + 5
                    await waiting.eventually_async(lambda: leases.version > want)
                    assert (leader.is_leading, other.is_leading) == (True, False)
                if leader is first:
                    await first.release()
                await gained(second)
            assert leases.holder() == "second"

    asyncio.run(scenario())


def test_a_holder_that_is_gone_is_followed_when_its_time_is_over(account: Path) -> None:
    async def scenario() -> None:
        leases, clock = Leases(), Clock()
        async with serving(leases.handle, account) as server:
            async with running(build(server, "killed", Clock())) as killed:
                await gained(killed)
            follower = build(server, "follower", clock)
            async with running(follower):
                await waiting.eventually_async(lambda: bool(follower.holders))
                assert follower.holders == {"shop": "killed"}
                clock.now_s += lease.DURATION_S + 1
                await gained(follower)
        assert leases.holder() == "follower"

    asyncio.run(scenario())


def test_who_cannot_renew_stops_in_time_and_goes_on_in_the_same_term(account: Path) -> None:
    async def scenario() -> None:
        leases, clock = Leases(), Clock()
        async with (
            serving(leases.handle, account) as server,
            running(build(server, "me", clock)) as leadership,
        ):
            await gained(leadership)
            term = leadership.terms
            leases.failing = 503
            clock.now_s += lease.RENEW_DEADLINE_S - 1
            was_leading = leadership.is_leading
            clock.now_s += 1
            assert (was_leading, leadership.is_leading) == (True, False)
            await lost(leadership)
            leases.failing = None
            await gained(leadership)
            assert leadership.terms == term

    asyncio.run(scenario())


def test_who_was_followed_begins_a_new_term(account: Path) -> None:
    async def scenario() -> None:
        leases, clock = Leases(), Clock()
        async with (
            serving(leases.handle, account) as server,
            running(build(server, "me", clock)) as leadership,
        ):
            await gained(leadership)
            term = leadership.terms
            meta = {"resourceVersion": "stolen"}
            spec = leases.held["shop"]["spec"] | {"holderIdentity": "thief"}
            leases.held["shop"] = {"metadata": meta, "spec": spec}
            await lost(leadership)
            leases.held["shop"]["spec"]["holderIdentity"] = ""
            await gained(leadership)
            assert leadership.terms == term + 1

    asyncio.run(scenario())


def test_all_namespaces_are_held_or_none_is_acted_on(account: Path) -> None:
    async def scenario() -> None:
        leases = Leases()
        async with (
            serving(leases.handle, account) as server,
            running(build(server, "one", Clock(), "books")) as one,
        ):
            await gained(one)
            async with running(build(server, "both", Clock(), "shop", "books")) as both:
                await waiting.eventually_async(lambda: bool(both.holders))
                assert (both.is_leading, leases.holder("shop")) == (False, "")
                async with running(build(server, "other", Clock(), "shop")) as other:
                    await gained(other)

    asyncio.run(scenario())


def test_a_missing_rule_is_a_problem_that_names_it(account: Path) -> None:
    async def scenario() -> None:
        leases = Leases(failing=403)
        async with (
            serving(leases.handle, account) as server,
            running(build(server, "me", Clock())) as leadership,
        ):
            await waiting.eventually_async(lambda: bool(leadership.problem))
            assert "get, create and patch on leases" in leadership.problem
            leases.failing = None
            await gained(leadership)
            assert leadership.problem == ""

    asyncio.run(scenario())
