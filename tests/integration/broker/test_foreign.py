"""Applications of the oldest and the newest tested release of Celery, whatever they speak."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.broker.address import parse_address
from app.broker.link import Link
from app.broker.model import BrokerReading, NodeName
from app.queues import QueueName
from tests.integration.broker.conftest import until
from tests.integration.conftest import StartShop
from tests.integration.foreign import ForeignShop, node
from tests.tools import celery_versions
from tests.waiting import eventually

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
async def linked(shop: ForeignShop) -> AsyncIterator[Link]:
    link = Link(parse_address(shop.url), clock=time.time)
    link.open()
    try:
        yield link
    finally:
        await link.close()


async def heard(link: Link, name: NodeName) -> BrokerReading:
    return await until(
        lambda: link.queues.read([SHOP]), lambda found: name in found.heartbeats, within_s=60
    )


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
            told = (await link.workers.consumers([ONE]))[ONE]
            # Celery cannot write its statistics as YAML.
            slots = None if serializer == "yaml" else 3
            assert [{queue.name for queue in told.queues}, told.slots] == [{SHOP}, slots]
            busy = (await link.workers.ask([ONE]))[ONE]
            assert [busy.active, busy.queues] == [1, {SHOP}]
            assert await link.workers.stop_consuming({ONE: [SHOP]}) == {ONE}
            shop.release()
            await until(
                lambda: link.workers.ask([ONE]),
                lambda found: found[ONE].active + found[ONE].reserved == 0,
            )
            assert (await link.workers.ask([ONE]))[ONE].queues == frozenset()
            assert (await link.queues.read([SHOP])).troubles == {}

    asyncio.run(scenario())
    assert complaints(worker.log) == 0
