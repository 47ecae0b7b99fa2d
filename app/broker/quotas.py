"""Counters that all processes share: how much of a quota is used in the present window.

A window begins with the first use. Redis keeps the time, so the clocks of machines do not matter.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app.broker.connections import connection

if TYPE_CHECKING:
    import redis

_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
local amount, limit, window_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local fits = limit < 0 or used + amount <= limit
if fits and amount > 0 then
  used = used + amount
  redis.call('SET', KEYS[1], used, 'KEEPTTL')
end
local left_ms = redis.call('PTTL', KEYS[1])
if left_ms == -1 then
  redis.call('PEXPIRE', KEYS[1], window_ms)
  left_ms = window_ms
end
return {fits and 1 or 0, used, math.max(0, left_ms)}
"""
"""Arguments: amount; limit, below 0 for none; window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """The use of one quota in the present window."""

    is_taken: bool
    """Whether what was asked for fitted, and is counted."""
    used: int
    resets_in_s: float
    """0 without a window."""


class QuotaCounters:
    """Counters by name and owner. Each method raises BrokerUnreachable."""

    def __init__(self, client: "redis.Redis") -> None:
        self._script = client.register_script(_TAKE)

    def take(
        self, name: str, owner: str, *, amount: int, limit: int | None, window_s: float
    ) -> QuotaUse:
        """Count an amount, if it fits the limit."""
        given = (amount, -1 if limit is None else limit, int(window_s * 1000))
        try:
            answer: Any = self._script(
                keys=[f"celeriac:quota:{name}:{owner}"], args=[str(each) for each in given]
            )
        except (RedisError, OSError) as error:
            raise connection.translated(error, host="the broker's server") from error
        fits, used, left_ms = answer
        return QuotaUse(is_taken=bool(fits), used=int(used), resets_in_s=left_ms / 1000)

    def read(self, name: str, owner: str, *, window_s: float) -> QuotaUse:
        """The use so far."""
        return self.take(name, owner, amount=0, limit=None, window_s=window_s)
