"""Keep to a rate of requests that all workers share."""

import logging
import threading
import time
from collections.abc import Callable
from typing import cast

import redis

log = logging.getLogger(__name__)

KEY = "celeriac:pace:{name}"

SLICE_S = 0.25

# The next free moment of the name, by Redis' own clock: taken, and the one after it noted.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local free = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
redis.call('SET', KEYS[1], free + tonumber(ARGV[1]), 'PX', free - now + tonumber(ARGV[1]) + 1000)
return free - now
"""

_lock = threading.Lock()
_free_at: dict[str, float] = {}


def wait(
    client: "redis.Redis", name: str, *, per_second: float, on_wait: Callable[[], None]
) -> None:
    """Return when it is our turn. Without Redis only the threads of this process share the rate."""
    interval_s = 1 / per_second
    try:
        key = KEY.format(name=name)
        answer = client.eval(_TAKE, 1, key, str(round(interval_s * 1000)))
        pause_s = cast(int, answer) / 1000  # sync or async, by type
    except (redis.RedisError, OSError) as error:
        log.warning("the rate is kept by this process alone", extra={"reason": str(error)})
        pause_s = _own_pause_s(name, interval_s)
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0:
        on_wait()
        time.sleep(min(SLICE_S, left_s))


def _own_pause_s(name: str, interval_s: float) -> float:
    with _lock:
        now = time.monotonic()
        free = max(now, _free_at.get(name, 0.0))
        _free_at[name] = free + interval_s
        return free - now
