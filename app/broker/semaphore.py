"""A number of places that all workers share, each held under a short lease.

A worker that dies leaves its place when the lease is over; nobody has to clean up after it. Redis
keeps the time, so that the clocks of machines do not matter.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.broker.connections import connection
from app.errors import BrokerUnreachable

if TYPE_CHECKING:
    import redis

LEASE_S = 30

RENEW_S = LEASE_S / 3

LOOK_S = 0.25
"""Who waits for a place looks this often."""

_TAKE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local is_held = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not is_held and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('EXPIRE', KEYS[1], 2 * tonumber(ARGV[3]))
return 1
"""
"""Take a place, or renew the one that is held. The arguments: holder, number of places, lease."""


@contextmanager
def held(
    client: "redis.Redis",
    name: str,
    *,
    most: int,
    check: Callable[[], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[], None]]:
    """Hold one of `most` places of this name; wait for one, calling `check` meanwhile.

    Gives a function for the block to call at least every few seconds: it checks, and renews the
    lease. Raises BrokerUnreachable, and what `check` raises.
    """
    place = _Place(client, name, most=most)
    try:
        while not place.take():
            check()
            time.sleep(LOOK_S)
        renewed_at = monotonic()

        def keep() -> None:
            nonlocal renewed_at
            check()
            if monotonic() - renewed_at >= RENEW_S:
                with contextlib.suppress(BrokerUnreachable):  # at worst one more gets in
                    place.take()
                renewed_at = monotonic()

        yield keep
    finally:
        place.leave()


class _Place:
    def __init__(self, client: "redis.Redis", name: str, *, most: int) -> None:
        self._client = client
        self._key = f"celeriac:places:{name}"
        self._most = most
        self._holder = uuid.uuid4().hex

    def take(self) -> bool:
        arguments = (self._holder, self._most, LEASE_S)
        try:
            return bool(self._client.eval(_TAKE, 1, self._key, *map(str, arguments)))
        except (RedisError, OSError) as error:
            raise connection.translated(error, host="the broker's server") from error

    def leave(self) -> None:
        try:
            self._client.zrem(self._key, self._holder)
        except (RedisError, OSError):
            return  # the lease ends by itself
