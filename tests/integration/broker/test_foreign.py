"""Applications of the oldest and the newest tested release of Celery, whatever they speak."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.broker.model import BrokerReading, NodeName
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.queues import QueueName
from tests.integration.broker.conftest import until
from tests.integration.conftest import StartShop
from tests.integration.foreign_application import ForeignApplication, node
from tests.tools import celery_versions
from tests.waiting import eventually

T = TypeVar("T")

BOTH = pytest.mark.parametrize("version", [celery_versions.OLDEST, celery_versions.NEWEST])

SHOP = QueueName("shop")
ONE = node("one")


def speaking(serializer: str) -> dict[str, object]:
    """Settings of an application that speaks this, and takes nothing else."""
    return {
        "task_serializer": serializer,
        "result_serializer": serializer,
        "event_serializer": serializer,
        "accept_content": [serializer],
    }


@asynccontextmanager
async def linked(
    shop: ForeignApplication, exchanges: Exchanges = CELERY_EXCHANGES
) -> AsyncIterator[Link]:
    link = Link(parse_address(shop.url), exchanges=exchanges, clock=time.time)
    link.open()
    try:
        yield link
    finally:
        await link.close()


async def heard(link: Link, name: NodeName) -> BrokerReading:
    return await until(
        lambda: link.queues.read([SHOP]), lambda found: name in found.heartbeats, within_s=60
    )


async def answered(
    question: Callable[[Collection[NodeName]], Awaitable[Mapping[NodeName, T]]],
) -> T:
    """What the worker says. On a busy machine it may take longer than is waited for."""
    found = await until(lambda: question([ONE]), lambda found: ONE in found)
    return found[ONE]


async def received_bytes(link: Link) -> int:
    """What the broker has sent to anybody since it was started."""
    async with link.connection.asking() as client:
        found = await client.info("stats")
    return int(found["total_net_output_bytes"])


def complaints(log: str) -> int:
    """What a worker's log says of messages that it could not read, or that broke its control."""
    marks = ("Traceback", "CRITICAL", "Refusing to deserialize", "Control command error")
    return sum(1 for line in log.splitlines() if any(mark in line for mark in marks))


@BOTH
def test_a_worker_of_another_release_runs_what_is_sent_to_it(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version)
    worker = shop.worker("one")

    shop.send("nap", 7, 0.01)

    eventually(lambda: shop.records("end"), why="the task ends")
    assert [record.number for record in shop.records("end")] == [7]
    assert f" v{version} " in worker.log


@BOTH
@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack", "yaml"])
def test_a_worker_is_heard_asked_and_stopped_in_what_it_speaks(
    version: str, serializer: str, start_shop: StartShop
) -> None:
    shop = start_shop(version, conf=speaking(serializer))
    path = shop.held()
    shop.send("hold", 1, path)
    worker = shop.worker("one", concurrency=3)

    async def scenario() -> None:
        async with linked(shop) as link:
            await heard(link, ONE)
            told = await answered(link.workers.consumers)
            # Celery cannot write its statistics as YAML.
            slots = None if serializer == "yaml" else 3
            assert [{queue.name for queue in told.queues}, told.slots] == [{SHOP}, slots]
            busy = await answered(link.workers.ask)
            assert [busy.active, busy.queues] == [1, {SHOP}]
            await until(
                lambda: link.workers.stop_consuming({ONE: [SHOP]}), lambda found: found == {ONE}
            )
            shop.release()
            await until(
                lambda: answered(link.workers.ask),
                lambda found: found.active + found.reserved == 0,
            )
            assert (await answered(link.workers.ask)).queues == frozenset()
            assert (await link.queues.read([SHOP])).troubles == {}

    asyncio.run(scenario())
    assert complaints(worker.log) == 0


@BOTH
def test_a_worker_that_accepts_no_json_hears_few_guesses(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version, conf={"accept_content": ["pickle"]})
    worker = shop.worker("one", concurrency=3)

    async def scenario() -> int | None:
        async with linked(shop) as link:
            # Its events are JSON, and no message of its queues tells what it accepts.
            await heard(link, ONE)
            found = await until(
                lambda: link.workers.consumers([ONE]), lambda found: ONE in found, within_s=120
            )
            for _ in range(10):
                await link.workers.consumers([ONE])
            return found[ONE].slots

    assert asyncio.run(scenario()) == 3
    assert worker.log.count("Refusing to deserialize") <= 4


@BOTH
def test_questions_do_not_fetch_the_arguments_of_tasks(version: str, start_shop: StartShop) -> None:
    shop = start_shop(version, conf={"worker_prefetch_multiplier": 4})
    path = shop.held()
    large = "x" * 300_000  # what four of them hold is still read by one observation
    shop.worker("one", concurrency=1)
    for number in range(4):
        shop.send("hold", number, path, large)
    received: list[int] = []

    async def scenario() -> None:
        async with linked(shop) as link:
            await heard(link, ONE)
            await until(
                lambda: link.queues.read([SHOP]), lambda found: found.queues[SHOP].unacked == 4
            )
            before = await received_bytes(link)
            found = await answered(link.workers.ask)
            await answered(link.workers.consumers)
            assert found.active == 1
            received.append(await received_bytes(link) - before)
            shop.release()

    asyncio.run(scenario())
    assert received[0] < 100_000


@BOTH
def test_an_autoscaled_worker_has_the_slots_of_its_maximum(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version)
    shop.worker("one", pool="prefork", arguments=("--autoscale", "6,1"))

    async def scenario() -> int | None:
        async with linked(shop) as link:
            await heard(link, ONE)
            return (await answered(link.workers.consumers)).slots

    assert asyncio.run(scenario()) == 6


NAMED = Exchanges(events="shop.events", control="shop")


@BOTH
def test_two_applications_on_one_broker_keep_apart_by_their_exchanges(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version, conf={"event_exchange": "shop.events", "control_exchange": "shop"})
    other = start_shop(version)
    shop.worker("one")
    other.worker("two", ["other"])

    async def scenario() -> None:
        async with linked(shop, NAMED) as ours, linked(shop) as theirs:
            found = await heard(ours, ONE)
            assert set(found.heartbeats) == {ONE}
            assert (await answered(ours.workers.consumers)).slots == 1
            found = await heard(theirs, node("two"))
            assert set(found.heartbeats) == {node("two")}
            theirs.survey()
            found = await until(
                lambda: theirs.queues.read([SHOP]), lambda found: bool(found.elsewhere.events)
            )
            assert found.elsewhere.events == {ONE: 'eventExchange: "shop.events"'}
            assert found.elsewhere.control == {ONE: 'controlExchange: "shop"'}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "exchanges"),
    [
        pytest.param({"fanout_prefix": False}, Exchanges(fanout_prefix=""), id="no prefix"),
        pytest.param({"fanout_prefix": "/shop."}, Exchanges(fanout_prefix="/shop."), id="a prefix"),
        pytest.param({"fanout_patterns": False}, CELERY_EXCHANGES, id="no routing keys"),
    ],
)
def test_other_names_of_channels_are_spoken(
    options: dict[str, object], exchanges: Exchanges, start_shop: StartShop
) -> None:
    shop = start_shop(conf={"broker_transport_options": options})
    shop.worker("one")

    async def scenario() -> int | None:
        async with linked(shop, exchanges) as link:
            await heard(link, ONE)
            return (await answered(link.workers.consumers)).slots

    assert asyncio.run(scenario()) == 1
