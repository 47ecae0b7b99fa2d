"""Clients for every form of broker URL."""

from typing import Any

import pytest

from app.broker.connections import redis_clients
from app.broker.connections.address import SentinelEntry, parse_address
from app.errors import InvalidInput


@pytest.mark.parametrize(
    ("url", "want"),
    [
        pytest.param("redis://h:1/2", {"host": "h", "port": 1, "db": 2}, id="plain"),
        pytest.param(
            "redis://u:p%40@h",
            {"host": "h", "port": 6379, "username": "u", "password": "p@"},
            id="with a password",
        ),
        pytest.param("redis+socket:///run/x.sock", {"path": "/run/x.sock"}, id="a socket"),
        pytest.param(
            "rediss://h?ssl_cert_reqs=CERT_NONE",
            {"cert_reqs": "none"},
            id="TLS as Celery spells it",
        ),
    ],
)
def test_a_url_of_celerys_leads_to_its_server(url: str, want: dict[str, Any]) -> None:
    arguments = redis_clients.open_client(parse_address(url)).connection_pool.connection_kwargs
    arguments = {**arguments, "cert_reqs": arguments.get("ssl_cert_reqs")}

    assert {name: arguments.get(name) for name in want} == want


def test_sentinels_are_asked_for_the_master_with_a_password_of_their_own() -> None:
    entry = SentinelEntry(master_name="main", username="guard", password="other", has_tls=True)
    place = parse_address("sentinel://:p%40@a/2?ssl_ca_certs=/ca.pem;sentinel://b", sentinel=entry)
    pool: Any = redis_clients.open_client(place).connection_pool

    master = pool.connection_kwargs
    guards = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert (pool.service_name, master["db"], master["password"]) == ("main", 2, "p@")
    assert [(each["host"], each["port"]) for each in guards] == [("a", 26379), ("b", 26379)]
    assert {(each["username"], each["password"]) for each in guards} == {("guard", "other")}
    assert {each["ssl_ca_certs"] for each in (master, *guards)} == {"/ca.pem"}


def test_several_servers_are_refused_with_a_reason() -> None:
    with pytest.raises(InvalidInput, match="jobs need the address of one"):
        redis_clients.refuse_several(parse_address("redis://a;redis://b"))
