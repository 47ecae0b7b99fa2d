"""The loop: when pools are reconciled, and failures that stay with their pool."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pytest

from app.broker.model import BrokerReading, NodeAnswer, NodeName
from app.control import loop
from app.control.loop import Loop
from app.control.pool.spec import Mode
from app.control.pool.status import ConditionStatus, ConditionType
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.control.ports import Broker, BrokerKey, DrainMark, InstanceName, ScaleTarget
from app.errors import BrokerUnreachable
from app.queues import QueueName
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator, latest, run, shown


def test_one_reading_serves_all_pools_of_a_broker() -> None:
    operator = VirtualOperator(
        VirtualCluster(), *(worker_pool(f"p{n}", queues=[f"q{n}"]) for n in range(20))
    )

    run(operator, 5)

    assert operator.queues.reads == 5


def test_a_pool_is_looked_at_as_often_as_it_asks_for() -> None:
    operator = VirtualOperator(
        VirtualCluster(), worker_pool("slow", pollingIntervalSeconds=5), worker_pool("quick")
    )

    run(operator, 10)

    assert [tick.reconciled for tick in operator.reports.ticks] == [2, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def test_a_pool_that_drains_is_looked_at_every_second() -> None:
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    pool = worker_pool(pollingIntervalSeconds=30, behavior=quick, cooldownPeriodSeconds=0)
    operator = VirtualOperator(VirtualCluster(replicas=3), pool)
    operator.cluster.settle()

    run(operator, 40)

    assert operator.cluster.replicas == 0


def test_a_still_pool_is_written_once() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())

    run(operator, 120)

    assert (len(operator.reports.statuses), operator.replicas.writes, operator.reports.events) == (
        1,
        0,
        [],
    )


def test_figures_that_move_are_written_now_and_then() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=1), worker_pool(maxReplicas=1))
    operator.cluster.settle()
    operator.cluster.publish(*[3.0] * 40)

    run(operator, 60)

    assert 4 <= len(operator.reports.statuses) <= 9


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.OFF])
def test_a_pool_that_is_only_watched_is_never_written(mode: Mode) -> None:
    operator = VirtualOperator(VirtualCluster(replicas=2), worker_pool(mode=mode.value))
    operator.cluster.settle()
    operator.cluster.publish(*[60.0] * 9)

    run(operator, 30)

    assert (operator.replicas.writes, operator.cluster.replicas) == (0, 2)
    assert latest(operator).desired_replicas == (9 if mode is Mode.DRY_RUN else None)
    assert shown(latest(operator), ConditionType.READY) == ("True", mode.value)


@dataclass
class OneFails:
    """Replicas of which one pool's cannot be read, for a reason nobody has thought of."""

    operator: VirtualOperator

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        if pool.key.name == "bad":
            raise ZeroDivisionError
        return await self.operator.replicas.read(pool)

    async def scale_to(self, pool: WorkerPool, **asked: object) -> int:
        return await self.operator.replicas.scale_to(pool, **asked)  # type: ignore[arg-type]  # handed on

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        raise NotImplementedError


def test_an_unexpected_error_stays_with_its_pool(caplog: pytest.LogCaptureFixture) -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool("bad"), worker_pool("good"))
    operator.loop = Loop(
        pools=operator.pools,
        brokers=operator.brokers,
        replicas=OneFails(operator),
        reporter=operator.reports,
        clock=operator.cluster.clock,
    )
    operator.cluster.publish(60.0)

    run(operator, 2)

    assert latest(operator, "good").desired_replicas == 1
    assert [tick.failed for tick in operator.reports.ticks] == [(PoolKey("apps", "bad"),)] * 2
    assert "reconcile failed" in caplog.text


def test_a_broker_that_cannot_be_found_for_no_known_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = worker_pool("bad", broker={"keyPrefix": "x"})
    operator = VirtualOperator(VirtualCluster(), bad, worker_pool("good"))

    class BreaksForOne:
        async def find(self, pool: WorkerPool) -> Broker:
            if pool.key.name == "bad":
                raise ZeroDivisionError
            return operator.brokers.broker

    operator.loop = Loop(
        pools=operator.pools,
        brokers=BreaksForOne(),
        replicas=operator.replicas,
        reporter=operator.reports,
        clock=operator.cluster.clock,
    )
    run(operator, 2)

    assert [tick.failed for tick in operator.reports.ticks] == [(PoolKey("apps", "bad"),)] * 2
    assert shown(latest(operator, "good"), ConditionType.READY) == ("True", "Reconciled")
    assert "broker not found" in caplog.text


class NeverReads:
    """A broker that does not even time out."""

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        await asyncio.Event().wait()
        raise AssertionError


def test_a_broker_that_hangs_holds_nobody_else_up() -> None:
    operator = VirtualOperator(
        VirtualCluster(), worker_pool("stuck", broker={"keyPrefix": "x"}), worker_pool("good")
    )
    hanging = Broker(key=BrokerKey("x"), queues=NeverReads(), workers=operator.workers)

    class TwoBrokers:
        async def find(self, pool: WorkerPool) -> Broker:
            return hanging if pool.key.name == "stuck" else operator.brokers.broker

    operator.loop = Loop(
        pools=operator.pools,
        brokers=TwoBrokers(),
        replicas=operator.replicas,
        reporter=operator.reports,
        clock=operator.cluster.clock,
        tick_wait_s=0.01,
    )
    operator.cluster.publish(60.0)

    run(operator, 5)

    assert latest(operator, "good").desired_replicas == 1
    assert [tick.reconciled for tick in operator.reports.ticks] == [2, 1, 1, 1, 1]


class BreaksOnRead:
    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        raise ZeroDivisionError


def test_a_broker_adapter_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.brokers.broker = replace(operator.brokers.broker, queues=BreaksOnRead())

    run(operator, 2)

    assert [len(tick.failed) for tick in operator.reports.ticks] == [1, 1]
    assert "broker not read" in caplog.text


def test_slots_are_asked_of_one_worker_where_the_spec_is_silent() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=2, slots=4), worker_pool(concurrency=None))
    operator.cluster.settle()
    operator.cluster.publish(*[60.0] * 20)

    run(operator, 10)

    assert latest(operator).slots_per_replica == 4
    assert latest(operator).desired_replicas == 5
    # Once for the slots, and each worker once for what it consumes.
    assert len(operator.workers.asked_for_consumers) == 1 + 5


@pytest.mark.parametrize(
    ("annotations", "want", "reason"),
    [
        pytest.param({"paused": "true"}, 2, "PausedByAnnotation", id="paused"),
        pytest.param({"paused_replicas": "4"}, 4, "FixedSize", id="paused at a size"),
        pytest.param({"paused_scale_out": "true"}, 2, "GrowingPaused", id="growing paused"),
        pytest.param({"paused": "false"}, 9, "NotPaused", id="not paused"),
    ],
)
def test_annotations_hold_a_pool(annotations: dict[str, str], want: int, reason: str) -> None:
    operator = VirtualOperator(VirtualCluster(replicas=2), worker_pool())
    operator.cluster.settle()
    operator.annotate(**annotations)
    operator.cluster.publish(*[60.0] * 9)

    run(operator, 5)

    assert operator.cluster.replicas == want
    assert shown(latest(operator), ConditionType.PAUSED)[1] == reason


def test_a_replica_that_has_gone_drains_no_more() -> None:
    """A pool that had just been set to zero said that one of its replicas drains."""
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    operator = VirtualOperator(
        VirtualCluster(replicas=1), worker_pool(behavior=quick, cooldownPeriodSeconds=0)
    )
    operator.cluster.settle()

    run(operator, 30)

    assert operator.cluster.replicas == 0
    shown = {(status.replicas, status.draining_replicas) for status in operator.reports.statuses}
    assert shown == {(1, 1), (0, 0)}


def test_run_ticks_until_it_is_cancelled() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    pauses_s: list[float] = []

    async def wait(pause_s: float) -> None:
        pauses_s.append(pause_s)
        operator.cluster.advance(1.0)
        if len(pauses_s) == 3:
            raise asyncio.CancelledError

    async def play() -> None:
        with pytest.raises(asyncio.CancelledError):
            await operator.loop.run(wait=wait)

    asyncio.run(play())

    assert pauses_s == [loop.MAX_PAUSE_S] * 3
    assert len(operator.reports.ticks) == 3


def test_run_outlives_a_tick_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.pools.listed = None  # type: ignore[assignment]  # a source of pools that is broken

    async def wait(_: float) -> None:
        operator.pools.listed = [worker_pool()]
        if operator.reports.ticks:
            raise asyncio.CancelledError

    async def play() -> None:
        with pytest.raises(asyncio.CancelledError):
            await operator.loop.run(wait=wait)

    asyncio.run(play())

    assert "tick failed" in caplog.text
    assert latest(operator).conditions[0].status is ConditionStatus.TRUE


def test_workers_that_cannot_be_spoken_to_are_the_brokers_trouble() -> None:
    """The queues were read, and the connection broke before the workers could be told."""
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    operator = VirtualOperator(
        VirtualCluster(replicas=2), worker_pool(behavior=quick, cooldownPeriodSeconds=0)
    )
    operator.cluster.settle()

    async def say_nothing(*_: object, **__: object) -> frozenset[NodeName]:
        raise BrokerUnreachable(host="broker.test")

    operator.workers.stop_consuming = say_nothing  # type: ignore[method-assign]  # ours to bend
    run(operator, 10)

    assert operator.cluster.replicas == 2
    assert shown(latest(operator), ConditionType.METRICS_AVAILABLE) == (
        "False",
        "BrokerUnreachable",
    )


def test_slots_that_nobody_tells_are_asked_for_again_later() -> None:
    operator = VirtualOperator(
        VirtualCluster(replicas=1), worker_pool(concurrency=None, minReplicas=1)
    )
    operator.cluster.settle()
    asked_at_s = []

    async def ask(*_: object) -> dict[NodeName, NodeAnswer]:
        asked_at_s.append(operator.cluster.now_s)
        raise BrokerUnreachable(host="broker.test")

    operator.workers.consumers = ask  # type: ignore[method-assign,assignment]  # ours to bend
    run(operator, 70)

    began_at_s = asked_at_s[0]
    # Every 5 s for the slots, and ever more seldom for what it consumes.
    assert {at_s - began_at_s for at_s in asked_at_s} >= {5.0 * n for n in range(14)}
    assert len(asked_at_s) <= 14 + 6
    assert latest(operator).slots_per_replica is None


def test_a_pool_that_is_deleted_in_its_turn_is_not_remembered() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    read = operator.replicas.read

    async def read_and_delete(pool: WorkerPool) -> ScaleTarget:
        operator.pools.listed.clear()
        await operator.loop.tick()
        return await read(pool)

    operator.replicas.read = read_and_delete  # type: ignore[method-assign]  # ours to bend
    operator.loop = Loop(
        pools=operator.pools,
        brokers=operator.brokers,
        replicas=operator.replicas,
        reporter=operator.reports,
        clock=operator.cluster.clock,
        tick_wait_s=0.01,
    )
    run(operator, 3)

    assert dict(operator.reports.latest) == {}
