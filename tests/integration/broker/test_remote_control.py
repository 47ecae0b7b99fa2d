"""Remote control of real workers: only those who are named hear it, and nothing is left behind."""

import asyncio

import pytest
import redis

from app.broker.link import Link
from app.broker.model import BrokerReading, ConsumedQueue, NodeAnswer, NodeConsumers, NodeName
from app.broker.workers.pidbox import ANSWER_LIMIT_S
from app.queues import QueueName
from tests.integration.broker.conftest import until
from tests.integration.foreign_application import LOADED_ANSWER_LIMIT_S, ForeignApplication, node

PLAIN = QueueName("plain")
ONE, TWO = node("one"), node("two")


async def answer(link: Link, name: NodeName) -> NodeAnswer:
    answers = await link.workers.ask([name])
    return answers[name]


def answered(found: NodeAnswer, **want: object) -> NodeAnswer:
    """The same answer with other values."""
    values = {name: getattr(found, name) for name in NodeAnswer.__slots__}
    return NodeAnswer(**{**values, **want})


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_says_what_it_holds(shop: ForeignApplication, pool: str) -> None:
    path = shop.held()
    shop.worker(
        "one", ["plain", "routed"], pool=pool, concurrency=2, conf={"worker_prefetch_multiplier": 3}
    )
    for _ in range(4):
        shop.send("hold", 0, path)

    async def scenario() -> tuple[NodeAnswer, NodeConsumers]:
        async with shop.link() as link:
            # A worker that begins tasks while it is asked tells of those it has yet to run too.
            found = await until(
                lambda: answer(link, ONE), lambda found: (found.active, found.reserved) == (2, 0)
            )
            return found, (await link.workers.consumers([ONE]))[ONE]

    found, consumers = asyncio.run(scenario())
    queues = frozenset({PLAIN, QueueName("routed")})
    assert found == answered(found, node=ONE, active=2, reserved=0, queues=queues)
    assert {queue.name for queue in consumers.shared} == queues
    assert consumers.slots == 2


def test_only_the_named_worker_stops_consuming_and_resumes(
    prefixed_shop: ForeignApplication,
) -> None:
    prefixed_shop.worker("one", ["plain", "routed"])
    prefixed_shop.worker("two", ["plain", "routed"])
    both = frozenset({PLAIN, QueueName("routed")})
    declared = [ConsumedQueue(name=name) for name in both]

    async def scenario() -> None:
        async with prefixed_shop.link() as link:
            assert await link.workers.stop_consuming({ONE: both}) == {ONE}
            # Not only told so: whoever resumes it now is not overtaken by the cancel.
            assert (await answer(link, ONE)).queues == frozenset()
            assert (await answer(link, TWO)).queues == both

            assert await link.workers.resume_consuming({ONE: declared}) == {ONE}
            await until(lambda: answer(link, ONE), lambda found: found.queues == both)

    asyncio.run(scenario())


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_stopped_consuming_finishes_what_it_holds_and_takes_no_more(
    shop: ForeignApplication, pool: str
) -> None:
    path = shop.held()
    shop.worker("one", pool=pool, conf={"worker_prefetch_multiplier": 2})
    for _ in range(5):
        shop.send("hold", 0, path)

    async def scenario() -> None:
        async with shop.link() as link:
            await until(
                lambda: link.queues.read([PLAIN]), lambda found: found.queues[PLAIN].unacked == 2
            )
            await link.workers.stop_consuming({ONE: [PLAIN]})
            await until(lambda: answer(link, ONE), lambda found: not found.queues)
            shop.release()
            await until(lambda: answer(link, ONE), lambda found: found.active + found.reserved == 0)
            # Celery acknowledges a task in a later turn of its loop than the one that ends it.
            left = await until(
                lambda: link.queues.read([PLAIN]), lambda found: found.queues[PLAIN].unacked == 0
            )
            assert left.queues[PLAIN].ready == 3

    asyncio.run(scenario())


def test_a_resumed_worker_consumes_through_its_own_exchange(shop: ForeignApplication) -> None:
    shop.worker("one", ["routed"])
    routed = QueueName("routed")

    async def scenario() -> BrokerReading:
        async with shop.link() as link:
            await link.workers.stop_consuming({ONE: [routed]})
            await link.workers.resume_consuming({ONE: [ConsumedQueue(name=routed)]})
            await until(lambda: answer(link, ONE), lambda found: found.queues == {routed})
            shop.send("nap", 0, exchange="orders", routing_key="order.new")
            return await until(
                lambda: link.queues.read([routed]),
                lambda found: ONE in found.heartbeats and found.heartbeats[ONE].processed == 1,
            )

    assert asyncio.run(scenario()).queues[routed].ready == 0


def test_who_does_not_answer_is_left_out_in_time(shop: ForeignApplication) -> None:
    shop.worker("one")

    async def scenario() -> None:
        async with shop.link(answer_limit_s=5) as link, asyncio.timeout(LOADED_ANSWER_LIMIT_S):
            assert list(await link.workers.ask([ONE, node("nobody")])) == [ONE]

    asyncio.run(scenario())


def test_a_stopped_worker_has_not_confirmed(shop: ForeignApplication) -> None:
    async def scenario() -> frozenset[NodeName]:
        async with shop.link(answer_limit_s=ANSWER_LIMIT_S) as link:
            return await link.workers.stop_consuming({ONE: [PLAIN]})

    assert asyncio.run(scenario()) == frozenset()


def test_nobody_is_asked_when_nobody_is_named(shop: ForeignApplication) -> None:
    shop.worker("one")

    async def scenario() -> object:
        async with shop.link() as link:
            return await link.workers.ask([])

    assert asyncio.run(scenario()) == {}


def test_questions_leave_nothing_behind(
    shop: ForeignApplication, redis_client: redis.Redis
) -> None:
    shop.worker("one")
    before = set(redis_client.keys())

    async def scenario() -> None:
        async with shop.link() as link:
            await asyncio.gather(*(link.workers.ask([ONE]) for _ in range(5)))

    asyncio.run(scenario())
    assert set(redis_client.keys()) == before
