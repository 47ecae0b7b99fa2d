"""A worker is given back the queues that it was told to stop consuming, and no other one."""

import asyncio

import pytest

from tests.integration.conftest import StartShop
from tests.integration.control.staged import Standing, name_of, operator_of, pool_of
from tests.integration.foreign_application import ForeignApplication, node
from tests.tools import celery_versions
from tests.waiting import eventually

VERSIONS = (celery_versions.OLDEST, "5.5.3", celery_versions.NEWEST)


def run_one(shop: ForeignApplication, number: int) -> None:
    """Publish a task to the queue `shop` and wait until it has run."""
    shop.send("nap", number, 0)
    eventually(lambda: number in {record.number for record in shop.records("end")})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_queue_that_the_spec_has_gained_is_not_given_to_workers_that_never_had_it(
    start_shop: StartShop, version: str
) -> None:
    shop = start_shop(version)
    shop.worker("one", ["shop", "other"])
    replicas = Standing.of("one")

    async def scenario() -> tuple[dict[str, set[str]], int]:
        async with operator_of(shop.url, replicas) as first:
            await first.stop(pool_of("shop", "other"), "one")
            assert await first.consumed("one") == {"one": set()}
        # Another operator, and another spec: one queue more, one less, and a typing error.
        async with operator_of(shop.url, replicas) as second:
            await second.wake(pool_of("shop", "reports", "orderz"), "one")
            shop.send("nap", 1, 0, queue="reports")
            await asyncio.to_thread(run_one, shop, 2)
            return await second.consumed("one"), await second.waiting("reports")

    consumed, waiting = asyncio.run(scenario())
    assert consumed == {"one": {"shop", "other"}}
    assert waiting == 1


def test_each_worker_of_a_replica_is_given_back_its_own_queues(start_shop: StartShop) -> None:
    shop = start_shop()
    shop.worker("one", ["shop"])
    shop.worker("two", ["shop", "other"])
    pool = pool_of("shop", "other")
    replicas = Standing.with_nodes({"pod": ["one", "two"]})

    async def scenario() -> dict[str, set[str]]:
        async with operator_of(shop.url, replicas) as operator:
            await operator.stop(pool, "pod")
            assert await operator.consumed("one", "two") == {"one": set(), "two": set()}
            await operator.wake(pool, "pod")
            return await operator.consumed("one", "two")

    assert asyncio.run(scenario()) == {"one": {"shop"}, "two": {"shop", "other"}}
    cancelled = replicas.instances[name_of("pod")].cancelled
    assert {name: one.queues for name, one in cancelled.items()} == {
        node("one"): {"shop"},
        node("two"): {"shop", "other"},
    }


ROUTED = {
    "task_queues": {
        "shop": {"exchange": "shop", "routing_key": "shop"},
        "routed": {"exchange": "orders", "exchange_type": "topic", "routing_key": "order.#"},
    }
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_worker_that_is_woken_consumes_through_the_exchange_that_it_has_declared(
    start_shop: StartShop, version: str
) -> None:
    shop = start_shop(version, conf=ROUTED)
    shop.worker("one", ["shop", "routed"])
    pool = pool_of("shop", "routed")

    async def scenario() -> None:
        async with operator_of(shop.url, Standing.of("one")) as operator:
            before = await operator.link.workers.consumers([node("one")])
            await operator.stop(pool, "one")
            await operator.wake(pool, "one")
            after = await operator.link.workers.consumers([node("one")])
            assert after[node("one")].queues == before[node("one")].queues

    asyncio.run(scenario())
    shop.send("nap", 1, 0, queue="routed", routing_key="order.new")
    eventually(lambda: [record.number for record in shop.records("end")] == [1])


def test_a_process_that_started_after_the_stop_is_given_nothing(start_shop: StartShop) -> None:
    shop = start_shop()
    worker = shop.worker("one", ["shop", "other"])
    pool = pool_of("shop", "other")
    replicas = Standing.of("one")

    async def scenario() -> dict[str, set[str]]:
        async with operator_of(shop.url, replicas) as operator:
            await operator.stop(pool, "one")
        replicas.age_records(10.0)
        await asyncio.to_thread(worker.stop)
        # Its container has restarted, with another command line.
        await asyncio.to_thread(shop.worker, "one", ["shop"])
        async with operator_of(shop.url, replicas) as operator:
            await operator.wake(pool, "one")
            return await operator.consumed("one")

    assert asyncio.run(scenario()) == {"one": {"shop"}}
