"""redis-py clients for everything but task messages: job events, held messages, rate limits."""

from typing import Any, cast

import redis
from redis import asyncio as redis_asyncio
from redis import exceptions
from redis import sentinel as redis_sentinel
from redis.asyncio import sentinel as redis_asyncio_sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.broker.connections import connection
from app.broker.connections.address import Address, Endpoint, Sentinels
from app.errors import InvalidInput

TIMEOUT_S = 2.0
"""Short, since a lost event does less harm than a job that waits for it."""

READERS = 10_000
"""Maximum number of clients that follow events, each on a connection of its own."""


def open_client(broker: Address) -> "redis.Redis":
    """Open a client for threads. With Sentinels it follows the master."""
    options = {
        **_options(broker),
        "socket_timeout": TIMEOUT_S,
        "health_check_interval": 30,
        # A pooled connection may belong to a server that is gone. Timeouts are not retried.
        "retry": Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
    }
    match broker.place:
        case Sentinels() as sentinels:
            found: Any = redis_sentinel.Sentinel(  # type: ignore[no-untyped-call]  # has no types
                _endpoints(sentinels), sentinel_kwargs=_sentinel_options(sentinels), **options
            )
            client = found.master_for(sentinels.master_name, redis_class=WatchedClient)
            return cast("redis.Redis", client)
        case place:
            return redis.Redis(**_server(place), **options)


def open_reader(broker: Address) -> "redis_asyncio.Redis":
    """Open a client for coroutines that wait for events. Close it with `aclose`.

    It has no timeout of its own: with one, redis-py waits through `asyncio.wait_for`, which can
    swallow a cancellation before Python 3.12.
    """
    options = {
        **_options(broker),
        "socket_timeout": None,
        "max_connections": READERS,
        "retry": AsyncRetry(NoBackoff(), 1),
    }
    match broker.place:
        case Sentinels() as sentinels:
            sentinel_options = {
                **_sentinel_options(sentinels),
                "retry": AsyncRetry(NoBackoff(), 0),
            }
            found: Any = redis_asyncio_sentinel.Sentinel(  # type: ignore[no-untyped-call]  # the same
                _endpoints(sentinels), sentinel_kwargs=sentinel_options, **options
            )
            client = found.master_for(sentinels.master_name, redis_class=WatchedReader)
            return cast("redis_asyncio.Redis", client)
        case place:
            return redis_asyncio.Redis(**_server(place), **options)


class WatchedClient(redis.Redis):
    """A client of a master, which owns the connections to its Sentinels too."""

    def close(self) -> None:
        """Close all of them."""
        super().close()
        pool: Any = self.connection_pool  # one of Sentinels
        for each in pool.sentinel_manager.sentinels:
            each.close()


class WatchedReader(redis_asyncio.Redis):
    """The same client for coroutines."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001
        """Close all of them."""
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool  # one of Sentinels
        for each in pool.sentinel_manager.sentinels:
            await each.aclose()


def refuse_several(broker: Address) -> None:
    """Raise InvalidInput for a list of servers, which Celery's result backend does not support."""
    if broker.alternates:
        raise InvalidInput(
            "CELERY_BROKER_URL names several servers: jobs need the address of one, or Sentinels "
            "(sentinel://) that know the master"
        )


def _endpoints(sentinels: Sentinels) -> list[tuple[str, int]]:
    return [(endpoint.host, endpoint.port) for endpoint in sentinels.endpoints]


def _sentinel_options(sentinels: Sentinels) -> dict[str, Any]:  # arguments of several types
    return {
        **connection.sentinel_options(sentinels),
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
    }


def _server(place: Endpoint | str) -> dict[str, Any]:  # arguments of several types
    match place:
        case Endpoint(host=host, port=port):
            return {"host": host, "port": port}
        case path:
            return {"unix_socket_path": path}


def _options(broker: Address) -> dict[str, Any]:  # arguments of several types
    return {
        "db": broker.db,
        "username": broker.username,
        "password": broker.password,
        "protocol": 2,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_keepalive": True,
        **connection.tls_options(broker.tls),
    }
