"""Real workers with queues of their own: they block no drain, and what waits in them is run."""

import asyncio

import pytest

from app.broker.model import NodeAnswer
from app.control.pool.status import ConditionType
from tests.integration.broker.conftest import until
from tests.integration.conftest import StartShop
from tests.integration.control.looping import condition, looped
from tests.integration.control.staged import Standing, operator_of, pool_of
from tests.integration.foreign_application import ForeignApplication, node
from tests.tools import celery_versions

AT_ONCE = {"scaleDown": {"stabilizationWindowSeconds": 0}}
DIRECT = "one@shop.dq2"
VERSIONS = (celery_versions.OLDEST, "5.5.3", celery_versions.NEWEST)


def start(start_shop: StartShop, version: str) -> ForeignApplication:
    """A worker that consumes `shop`, its own copy of the broadcast `news`, and its direct queue."""
    shop = start_shop(version, conf={"worker_direct": True})
    shop.worker("one", ["shop", "news"], env={"SHOP_BROADCAST": "news"})
    return shop


@pytest.mark.parametrize("version", VERSIONS)
def test_queues_of_one_worker_alone_block_no_drain(start_shop: StartShop, version: str) -> None:
    """Issue 9: such a replica stayed for ever, with the advice to name a queue that nobody can."""
    shop = start(start_shop, version)
    replicas = Standing.of("one")
    pool = pool_of("shop", cooldownPeriodSeconds=0, pollingIntervalSeconds=1, behavior=AT_ONCE)

    async def scenario() -> None:
        async with operator_of(shop.url, replicas) as operator:
            consumed = (await operator.consumed("one"))["one"]
            assert consumed > {"shop", DIRECT}
            assert len(consumed) == 3
            async with looped(operator, pool) as reports:

                async def sizes() -> list[int]:
                    return replicas.sizes

                await until(sizes, lambda found: found == [0])
            assert await operator.consumed("one") == {"one": consumed - {"shop"}}
            assert "OtherQueues" not in reports.reasons
            assert "QueuesDiffer" not in reports.reasons

    asyncio.run(scenario())


@pytest.mark.parametrize("version", [celery_versions.OLDEST, celery_versions.NEWEST])
def test_what_waits_for_one_worker_alone_is_what_it_holds(
    start_shop: StartShop, version: str
) -> None:
    shop = start(start_shop, version)
    path = shop.held()
    shop.send("hold", 1, path)

    async def scenario() -> None:
        async with operator_of(shop.url, Standing.of("one")) as operator:

            async def answer() -> NodeAnswer:
                return (await operator.link.workers.ask([node("one")]))[node("one")]

            await until(answer, lambda found: found.active == 1)
            # It has one slot, so these wait: one in the queue, at any priority, one for its ETA.
            shop.send("nap", 2, 0, queue=DIRECT, priority=6)
            await until(answer, lambda found: found.private_messages == 1)
            shop.release()
            await until(answer, lambda found: (found.active, found.private_messages) == (0, 0))
            # Fetched, and held by the worker until its time has come.
            shop.send("nap", 3, 0, queue=DIRECT, countdown=3600)
            await until(answer, lambda found: found.private_messages == 1)

    asyncio.run(scenario())
    assert 2 in {record.number for record in shop.records("end")}


def test_a_replica_stays_while_a_message_waits_for_it_alone(start_shop: StartShop) -> None:
    shop = start(start_shop, celery_versions.NEWEST)
    replicas = Standing.of("one")
    pool = pool_of("shop", cooldownPeriodSeconds=0, pollingIntervalSeconds=1, behavior=AT_ONCE)
    shop.send("nap", 1, 0, queue=DIRECT, countdown=12)

    async def scenario() -> None:
        async with operator_of(shop.url, replicas) as operator, looped(operator, pool) as reports:

            async def draining() -> tuple[str, str]:
                return condition(reports, ConditionType.DRAINING)

            async def sizes() -> list[int]:
                return replicas.sizes

            _, message = await until(draining, lambda found: found[0] == "PrivateMessages")
            assert message.startswith("one first runs the messages of its own queues")
            assert replicas.sizes == []
            await until(sizes, lambda found: found == [0])
            assert [record.number for record in shop.records("end")] == [1]

    asyncio.run(scenario())
