"""Owners take turns in a queue, in a real Valkey."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
import redis

from app.broker import redis_keys
from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.broker.queues import fair_queues
from app.broker.queues.depth import DepthReader
from app.broker.queues.fair_queues import AHEAD, CREDIT, FairMessage, FairQueues, Share
from app.broker.redis_keys import Keys
from app.queues import PRIORITIES, QueueName

MEDIA = QueueName("media")


@pytest.fixture
def queues(redis_client: redis.Redis) -> FairQueues:
    return FairQueues(redis_client)


def messages(
    owner: str, count: int, *, weight: float = 1.0, priority: int = 5
) -> list[FairMessage]:
    share = Share(owner=owner, weight=weight)
    return [
        FairMessage(queue=MEDIA, share=share, priority=priority, body=f"{owner}{number}")
        for number in range(count)
    ]


def ready(client: redis.Redis) -> int:
    return sum(client.llen(_list(step)) for step in PRIORITIES)


def work(client: redis.Redis, queues: FairQueues, *, most: int) -> list[str]:
    """What a worker receives, in its order."""
    received: list[str] = []
    while len(received) < most:
        messages = (cast("bytes | None", client.rpop(_list(step))) for step in PRIORITIES)
        message = next(filter(None, messages), None)
        if message is None:
            break
        received.append(message.decode())
        queues.receive(MEDIA)
    return received


def _list(step: int) -> str:
    return MEDIA if step == 0 else f"{MEDIA}{redis_keys.SEPARATOR}{step}"


def count(received: Sequence[str], owner: str) -> int:
    return sum(one.startswith(owner) for one in received)


def test_few_are_ahead_of_the_workers_and_none_is_lost(
    redis_client: redis.Redis, queues: FairQueues
) -> None:
    queues.add(messages("a", 1200))
    assert ready(redis_client) == AHEAD

    assert work(redis_client, queues, most=2000) == [f"a{number}" for number in range(1200)]


def test_a_newcomer_goes_before_a_flood_and_then_takes_turns_with_it(
    redis_client: redis.Redis, queues: FairQueues
) -> None:
    queues.add(messages("a", 200))
    work(redis_client, queues, most=100)
    queues.add(messages("b", 50))

    received = work(redis_client, queues, most=500)

    assert received[AHEAD : AHEAD + int(CREDIT)] == [f"b{number}" for number in range(int(CREDIT))]
    turns = received[AHEAD + int(CREDIT) :][:60]
    assert (count(turns, "a"), count(turns, "b")) == (30, 30)
    assert len(received) == 150


def test_weights_share_a_queue_in_proportion(redis_client: redis.Redis, queues: FairQueues) -> None:
    queues.add(messages("a", 100))
    queues.add(messages("b", 100, weight=3.0))

    received = work(redis_client, queues, most=80)[AHEAD + int(CREDIT) :]

    assert count(received, "b") == pytest.approx(45, abs=1)


def test_credit_is_not_won_by_pauses(redis_client: redis.Redis, queues: FairQueues) -> None:
    """An owner that comes again and again gets no more than its half."""
    queues.add(messages("a", 1000))
    received: list[str] = []
    for _ in range(100):
        queues.add(messages("b", 3))
        received += work(redis_client, queues, most=4)

    assert count(received, "b") <= len(received) / 2 + CREDIT


def test_the_urgent_messages_of_an_owner_go_first(
    redis_client: redis.Redis, queues: FairQueues
) -> None:
    queues.add([*messages("a", 10, priority=9), *messages("a", 10, priority=0)])
    queues.add(messages("b", 10, priority=5))

    received = [one for one in work(redis_client, queues, most=100) if one.startswith("a")]

    assert received == [f"a{number}" for number in (*range(10), *range(10))]
    assert list(queues.bodies(MEDIA)) == []


def test_what_a_worker_took_along_into_its_end_is_replaced(
    redis_client: redis.Redis, queues: FairQueues
) -> None:
    queues.add(messages("a", 20))
    while redis_client.rpop(_list(5)):  # fetched by workers that never received them
        pass

    queues.fill()

    assert ready(redis_client) == AHEAD


def test_messages_of_others_in_the_queue_do_not_keep_owners_out(
    redis_client: redis.Redis, queues: FairQueues
) -> None:
    redis_client.lpush(_list(5), *(f"plain{number}" for number in range(100)))
    queues.add(messages("a", 20))

    assert ready(redis_client) == 100 + AHEAD


def test_the_depth_of_a_queue_counts_those_that_wait(redis_url: str, queues: FairQueues) -> None:
    queues.add(messages("a", 30))

    async def depth() -> int:
        connection = Connection(parse_address(redis_url))
        try:
            found = await DepthReader(connection, Keys()).read([MEDIA], now_s=0.0, horizon_s=0.0)
        finally:
            await connection.close()
        return found[MEDIA].ready

    assert asyncio.run(depth()) == 30


def test_every_message_is_found(queues: FairQueues) -> None:
    queues.add([*messages("a", fair_queues.MESSAGES_AT_ONCE + 20), *messages("ö", 9, priority=1)])

    assert len(list(queues.bodies(MEDIA))) == fair_queues.MESSAGES_AT_ONCE + 29 - AHEAD
