"""Places that workers share, in a real Valkey."""

from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.broker import semaphore
from app.errors import BrokerUnreachable
from tests.ports import free_port


class Impatient(Exception):
    """Raised by who would have to wait."""


def refuse() -> None:
    raise Impatient


def nothing() -> None:
    return None


def test_no_more_than_so_many_are_held_at_once(redis_client: redis.Redis) -> None:
    with semaphore.held(redis_client, "site", most=2, check=nothing):
        with semaphore.held(redis_client, "site", most=2, check=nothing):
            with (
                pytest.raises(Impatient),
                semaphore.held(redis_client, "site", most=2, check=refuse),
            ):
                pass
            with semaphore.held(redis_client, "other", most=1, check=refuse):
                pass
        with semaphore.held(redis_client, "site", most=2, check=refuse):
            pass
    assert redis_client.keys("celeriac:places:*") == []


def test_the_place_of_a_dead_worker_is_free_when_its_lease_is_over(
    redis_client: redis.Redis,
) -> None:
    redis_client.zadd("celeriac:places:site", {"dead": 1})
    with semaphore.held(redis_client, "site", most=1, check=refuse):
        assert redis_client.zcard("celeriac:places:site") == 1


def test_a_place_that_is_held_long_is_renewed(redis_client: redis.Redis) -> None:
    clock = iter([0.0, semaphore.RENEW_S + 1, semaphore.RENEW_S + 1])
    with semaphore.held(
        redis_client, "site", most=1, check=nothing, monotonic=lambda: next(clock)
    ) as keep:
        [holder] = holders(redis_client)
        redis_client.zadd("celeriac:places:site", {holder: 1})
        keep()
        [until] = holders(redis_client).values()
    assert until > semaphore.LEASE_S


def holders(client: redis.Redis) -> dict[bytes, float]:
    """Who holds a place, and until when."""
    found: Any = client.zrange("celeriac:places:site", 0, -1, withscores=True)  # or async, by type
    return dict(found)


def test_a_redis_that_is_away_is_an_error_of_ours() -> None:
    client = redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    with pytest.raises(BrokerUnreachable), semaphore.held(client, "site", most=1, check=nothing):
        pass
