"""A semaphore that all workers share: its slots are held under a short lease.

The slot of a worker that dies is free when its lease expires. Redis keeps the time, so the clocks
of machines do not matter.
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

POLL_S = 0.25
"""How often a waiting worker tries to acquire a slot."""

_ACQUIRE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local is_held = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not is_held and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('EXPIRE', KEYS[1], 2 * tonumber(ARGV[3]))
return 1
"""
"""Acquire a slot, or renew the held one. Arguments: holder, number of slots, lease."""


@contextmanager
def held(
    client: "redis.Redis",
    name: str,
    *,
    most: int,
    check: Callable[[], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[], None]]:
    """Hold one of the `most` slots of this name; wait for one, calling `check` meanwhile.

    Yields a function that the block must call every few seconds: it checks, and renews the lease.
    Raises BrokerUnreachable, and what `check` raises.
    """
    slot = _Slot(client, name, most=most)
    try:
        while not slot.acquire():
            check()
            time.sleep(POLL_S)
        renewed_at = monotonic()

        def keep() -> None:
            nonlocal renewed_at
            check()
            if monotonic() - renewed_at >= RENEW_S:
                with contextlib.suppress(BrokerUnreachable):  # at worst one more gets in
                    slot.acquire()
                renewed_at = monotonic()

        yield keep
    finally:
        slot.release()


class _Slot:
    def __init__(self, client: "redis.Redis", name: str, *, most: int) -> None:
        self._client = client
        self._key = f"celeriac:places:{name}"
        self._most = most
        self._holder = uuid.uuid4().hex

    def acquire(self) -> bool:
        arguments = (self._holder, self._most, LEASE_S)
        try:
            return bool(self._client.eval(_ACQUIRE, 1, self._key, *map(str, arguments)))
        except (RedisError, OSError) as error:
            raise connection.translated(error, host="the broker's server") from error

    def release(self) -> None:
        try:
            self._client.zrem(self._key, self._holder)
        except (RedisError, OSError):
            return  # the lease ends by itself
