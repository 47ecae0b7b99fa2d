"""The depth of queues, against what stock Celery workers leave in a real Valkey."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import redis

from app.broker.model import BrokerReading, QueueReading
from app.broker.queues import unacked
from app.queues import QueueName
from tests.integration.broker.conftest import until
from tests.integration.foreign_application import ForeignApplication, node

PLAIN = QueueName("plain")


def holding(name: QueueName, **counts: Any) -> QueueReading:  # Any: as in `replace`
    """Zero, but for what a test names."""
    rest = {"ready_scheduled": 0, "ready_due_soon": 0, "unacked": 0, "scheduled": 0, "due_soon": 0}
    return replace(QueueReading(name=name, ready=0), **{**rest, **counts})


def read(shop: ForeignApplication, *queues: str) -> BrokerReading:
    async def once() -> BrokerReading:
        async with shop.link() as link:
            return await link.queues.read([QueueName(name) for name in queues])

    return asyncio.run(once())


def read_until(shop: ForeignApplication, *wanted: QueueReading) -> None:
    """Read until the queues read like this; an assertion shows the last difference."""

    async def repeat() -> BrokerReading:
        async with shop.link() as link:
            return await until(
                lambda: link.queues.read([want.name for want in wanted]),
                lambda found: tuple(found.queues.values()) == wanted,
            )

    asyncio.run(repeat())


def test_ready_counts_every_priority(prefixed_shop: ForeignApplication) -> None:
    for priority in range(10):
        prefixed_shop.send("nap", 0, priority=priority)

    found = read(prefixed_shop, "plain", "nothing")

    assert dict(found.queues) == {
        "plain": holding(
            PLAIN,
            ready=10,
            unacked=0,
            scheduled=0,
            due_soon=0,
        ),
        "nothing": holding(
            QueueName("nothing"),
            ready=0,
            unacked=0,
            scheduled=0,
            due_soon=0,
        ),
    }


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_prefetched_and_running_messages_are_unacked(shop: ForeignApplication, pool: str) -> None:
    path = shop.held()
    shop.worker("one", pool=pool, conf={"worker_prefetch_multiplier": 4})
    for _ in range(6):
        shop.send("hold", 0, path)

    read_until(shop, holding(PLAIN, ready=2, unacked=4, scheduled=0, due_soon=0))


def test_a_task_that_is_acknowledged_early_is_only_in_the_heartbeat(
    shop: ForeignApplication,
) -> None:
    path = shop.held()
    shop.worker("one", conf={"worker_prefetch_multiplier": 3, "task_acks_late": False})
    for _ in range(4):
        shop.send("hold", 0, path)

    async def scenario() -> BrokerReading:
        async with shop.link() as link:
            return await until(
                lambda: link.queues.read([PLAIN]),
                lambda found: (
                    node("one") in found.heartbeats
                    and found.heartbeats[node("one")].active == 1
                    and found.queues[PLAIN].ready == 0
                ),
            )

    found = asyncio.run(scenario())
    assert found.queues[PLAIN].unacked == 3


def test_tasks_with_an_eta_are_scheduled_until_it_has_come(shop: ForeignApplication) -> None:
    shop.worker("one", conf={"worker_prefetch_multiplier": 10})
    path = shop.held()
    shop.send("hold", 0, path, eta=datetime.now(UTC) + timedelta(hours=1))
    shop.send("hold", 0, path, eta=datetime.now(timezone(timedelta(hours=5))) + timedelta(hours=1))
    shop.send("hold", 0, path, countdown=15)
    shop.send("hold", 0, path, eta=datetime.now(UTC) - timedelta(hours=1))

    read_until(shop, holding(PLAIN, ready=0, unacked=4, scheduled=3, due_soon=1))


def test_messages_of_other_exchanges_count_for_the_queues_that_they_are_bound_to(
    shop: ForeignApplication,
) -> None:
    path = shop.held()
    shop.worker("one", ["plain", "routed", "topical"], concurrency=5)
    shop.send("hold", 0, path)
    for _ in range(2):
        shop.send("hold", 0, path, exchange="orders", routing_key="order.new")
        shop.send("hold", 0, path, queue="topical", routing_key="news.sport.today")

    read_until(
        shop,
        holding(PLAIN, ready=0, unacked=1, scheduled=0, due_soon=0),
        holding(QueueName("routed"), ready=0, unacked=2, scheduled=0, due_soon=0),
        holding(QueueName("topical"), ready=0, unacked=2, scheduled=0, due_soon=0),
    )


def test_the_oldest_message_tells_its_age_over_all_priorities(shop: ForeignApplication) -> None:
    now = time.time()
    for age_s, priority in ((10, 0), (90, 6), (40, 9)):
        shop.send("nap", 0, priority=priority, timestamp=int(now - age_s))

    found = read(shop, "plain").queues[PLAIN].oldest_age_s

    assert found == pytest.approx(90, abs=5)


def test_our_own_stamp_tells_the_age(shop: ForeignApplication) -> None:
    stamp = {"celeriac_published_at": time.time() - 33.5}
    shop.send("nap", 0, headers=stamp)

    assert read(shop, "plain").queues[PLAIN].oldest_age_s == pytest.approx(33.5, abs=5)


def test_no_argument_of_a_task_passes_for_a_stamp(shop: ForeignApplication) -> None:
    liar = '{"timestamp": 1, "celeriac_published_at": 1, "eta": "2099-01-01T00:00:00"}'
    shop.send("nap", liar, kwargs={"timestamp": 1})

    assert read(shop, "plain").queues[PLAIN].oldest_age_s is None


def test_a_key_that_is_no_list_holds_no_message(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    redis_client.hset("odd", "field", "value")
    shop.send("nap", 0)

    found = read(shop, "odd", "plain").queues

    assert [found[QueueName("odd")].ready, found[PLAIN].ready] == [0, 1]


def entry(exchange: object, routing_key: object, *, eta: str | None = None) -> str:
    """A value of the hash, as kombu's `QoS.append` writes it."""
    return json.dumps(
        [{"body": "e30=", "headers": {"task": "nap", "eta": eta}}, exchange, routing_key]
    )


def hold(client: redis.Redis, values: Mapping[str, str]) -> None:
    """Leave messages as workers do that have fetched them."""
    pipeline = client.pipeline(transaction=False)
    for number, (tag, value) in enumerate(values.items()):
        pipeline.hset("unacked", tag, value)
        pipeline.zadd("unacked_index", {tag: 1_700_000_000 + number})
    pipeline.execute()


def test_names_that_json_escapes_are_read(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    names = ["größe", 'quo"te', "back\\slash", "x" * 400, "half \ud800"]
    hold(
        redis_client, {name.encode(errors="surrogatepass").hex(): entry("", name) for name in names}
    )
    hold(redis_client, {"odd": entry(None, None), "broken": "no json", "half": entry("\ud800", "")})

    found = read(shop, *names).queues

    assert [reading.unacked for reading in found.values()] == [1, 1, 1, 1, 1]


def test_what_was_not_read_yet_is_estimated_and_then_known(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    count = unacked.MEASURED * 2
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    held = {
        f"{n * 7919 % count:05}": entry("", "plain", eta=soon if n % 2 else None)
        for n in range(count)
    }
    hold(redis_client, held)
    queues = [PLAIN, QueueName("rare")]

    async def thrice() -> list[BrokerReading]:
        async with shop.link() as link:
            return [await link.queues.read(queues) for _ in range(3)]

    first, *_, last = asyncio.run(thrice())
    assert first.queues[PLAIN].unacked == count
    assert first.queues[PLAIN].scheduled == pytest.approx(count / 2, rel=0.2)
    assert first.queues[QueueName("rare")].unacked is None
    assert last.queues[PLAIN].scheduled == last.queues[PLAIN].due_soon == count / 2
    assert last.queues[QueueName("rare")].unacked == 0


def test_a_thousand_queues_take_ten_scripts(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    names = [f"queue-{n}" for n in range(1000)]
    shop.send("nap", 0, queue="queue-999", priority=7)
    redis_client.config_resetstat()

    found = read(shop, *names)

    assert sum(reading.ready for reading in found.queues.values()) == 1
    assert redis_client.info("commandstats")["cmdstat_eval"]["calls"] == 10


GIANT_BYTES = 24 * 1024 * 1024
BOUND_BYTES = 8 * 1024 * 1024

WHOLE_VALUES = {"hget", "hmget", "hvals", "hgetall", "hscan", "hrandfield", "lindex", "lrange"}
"""Commands that copy payloads."""


def message(size_bytes: int) -> str:
    """Published a minute ago."""
    headers = {"task": "nap", "eta": None, "celeriac_published_at": time.time() - 60}
    return json.dumps({"body": "x" * size_bytes, "headers": headers, "properties": {}})


def copying_read(
    shop: ForeignApplication, client: redis.Redis
) -> tuple[BrokerReading, set[str], int]:
    """What a reading finds, the commands that have copied payloads for it, and the bytes that it
    was sent."""
    client.config_resetstat()
    found = read(shop, "plain")
    calls = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    return found, calls & WHOLE_VALUES, client.info("stats")["total_net_output_bytes"]


def test_a_giant_that_a_worker_holds_is_not_copied(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    hold(redis_client, {"giant": entry("", "x" * GIANT_BYTES), "small": entry("", "plain")})

    found, copying, sent_bytes = copying_read(shop, redis_client)

    assert found.queues[PLAIN].unacked == 1
    assert copying == {"hmget"}
    assert sent_bytes < BOUND_BYTES


@pytest.mark.parametrize("others", [0, 40, 500])
def test_a_giant_that_waits_is_not_copied(
    shop: ForeignApplication, redis_client: redis.Redis, others: int
) -> None:
    for size_bytes in (GIANT_BYTES, *[1_000] * others):
        redis_client.lpush("plain", message(size_bytes))

    found, copying, _ = copying_read(shop, redis_client)

    assert (found.queues[PLAIN].ready, found.queues[PLAIN].oldest_age_s) == (others + 1, None)
    assert copying == {"hmget"}  # of numbers: how many messages wait for their turn


@pytest.mark.parametrize(
    ("count", "size_bytes"), [(1, 900_000), (40, 50_000), (400, 100_000), (10_000, 1_000)]
)
def test_the_age_is_known_of_lists_without_a_giant(
    shop: ForeignApplication, redis_client: redis.Redis, count: int, size_bytes: int
) -> None:
    for start in range(0, count, 1_000):
        redis_client.lpush("plain", *[message(size_bytes)] * min(1_000, count - start))

    found, _, sent_bytes = copying_read(shop, redis_client)

    assert found.queues[PLAIN].oldest_age_s == pytest.approx(60, abs=30)
    assert sent_bytes < BOUND_BYTES


def test_many_large_messages_that_workers_hold_are_read_bit_by_bit(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    large = entry("", "plain")[:-1] + f', "{"x" * 100_000}"]'
    hold(redis_client, {f"{number:03}": large for number in range(300)})

    found, copying, sent_bytes = copying_read(shop, redis_client)

    assert found.queues[PLAIN].unacked == 300
    assert copying == {"hmget"}
    assert sent_bytes < BOUND_BYTES
