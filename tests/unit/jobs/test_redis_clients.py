"""Clients for every form of broker URL."""

from typing import Any

import pytest

from app.errors import InvalidInput
from app.jobs import redis_clients


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
    arguments = redis_clients.open_client(url).connection_pool.connection_kwargs
    arguments = {**arguments, "cert_reqs": arguments.get("ssl_cert_reqs")}

    assert {name: arguments.get(name) for name in want} == want


def test_sentinels_are_refused_with_a_reason() -> None:
    with pytest.raises(InvalidInput, match="sentinels"):
        redis_clients.open_client("sentinel://h:1?master_name=m")
