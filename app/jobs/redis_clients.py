"""Clients of the broker's server for what is no message: events, and a look at what it holds."""

from typing import Any

import redis
from redis import asyncio as redis_asyncio
from redis import exceptions
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.broker import address, connection
from app.broker.address import Endpoint
from app.errors import InvalidInput

TIMEOUT_S = 2.0
"""News may be lost, time may not: whoever writes events gives up soon."""

READERS = 10_000
"""Clients that follow events at once, each on a connection of its own."""


def open_client(url: str) -> "redis.Redis":
    """A client for threads. Every broker URL of Celery's will do, except sentinels."""
    return redis.Redis(
        **_place(url),
        socket_timeout=TIMEOUT_S,
        health_check_interval=30,
        # A pooled connection may be of a server that is gone. A time-out is not waited for twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
    )


def open_reader(url: str) -> "redis_asyncio.Redis":
    """A client for coroutines that wait for news. Close it with `aclose`.

    It has no time-out of its own: with one, redis waits through `asyncio.wait_for`, which can
    swallow a cancellation before Python 3.12.
    """
    return redis_asyncio.Redis(
        **_place(url),
        socket_timeout=None,
        max_connections=READERS,
        retry=AsyncRetry(NoBackoff(), 1),
    )


def refuse_sentinels(url: str) -> None:
    """Raises InvalidInput for the address of sentinels, which only operator and exporter take."""
    if url.strip().startswith("sentinel"):
        raise InvalidInput(
            "CELERY_BROKER_URL names sentinels: jobs need the address of a Redis itself, "
            "redis://host:port/db; put a name or a proxy in front that follows the master"
        )


def _place(url: str) -> dict[str, Any]:  # arguments of several types
    refuse_sentinels(url)
    parsed = address.parse_address(url)
    common = {
        "db": parsed.db,
        "username": parsed.username,
        "password": parsed.password,
        "protocol": 2,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_keepalive": True,
    }
    match parsed.place:
        case Endpoint(host=host, port=port):
            return {**common, **connection.tls_options(parsed.tls), "host": host, "port": port}
        case str() as path:
            return {**common, "unix_socket_path": path}
        case _:
            raise InvalidInput("the broker URL names no one server")
