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
from tests.unit.control.stage import Stage, latest, run, shown
from tests.unit.control.world import World


def test_one_reading_serves_all_pools_of_a_broker() -> None:
    stage = Stage(World(), *(worker_pool(f"p{n}", queues=[f"q{n}"]) for n in range(20)))

    run(stage, 5)

    assert stage.queues.reads == 5


def test_a_pool_is_looked_at_as_often_as_it_asks_for() -> None:
    stage = Stage(World(), worker_pool("slow", pollingIntervalSeconds=5), worker_pool("quick"))

    run(stage, 10)

    assert [tick.reconciled for tick in stage.reports.ticks] == [2, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def test_a_pool_that_drains_is_looked_at_every_second() -> None:
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    pool = worker_pool(pollingIntervalSeconds=30, behavior=quick, cooldownPeriodSeconds=0)
    stage = Stage(World(replicas=3), pool)
    stage.world.settle()

    run(stage, 40)

    assert stage.world.replicas == 0


def test_a_still_pool_is_written_once() -> None:
    stage = Stage(World(), worker_pool())

    run(stage, 120)

    assert (len(stage.reports.statuses), stage.replicas.writes, stage.reports.events) == (1, 0, [])


def test_figures_that_move_are_written_now_and_then() -> None:
    stage = Stage(World(replicas=1), worker_pool(maxReplicas=1))
    stage.world.settle()
    stage.world.publish(*[3.0] * 40)

    run(stage, 60)

    assert 4 <= len(stage.reports.statuses) <= 9


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.OFF])
def test_a_pool_that_is_only_watched_is_never_written(mode: Mode) -> None:
    stage = Stage(World(replicas=2), worker_pool(mode=mode.value))
    stage.world.settle()
    stage.world.publish(*[60.0] * 9)

    run(stage, 30)

    assert (stage.replicas.writes, stage.world.replicas) == (0, 2)
    assert latest(stage).desired_replicas == (9 if mode is Mode.DRY_RUN else None)
    assert shown(latest(stage), ConditionType.READY) == ("True", mode.value)


@dataclass
class OneFails:
    """Replicas of which one pool's cannot be read, for a reason nobody has thought of."""

    stage: Stage

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        if pool.key.name == "bad":
            raise ZeroDivisionError
        return await self.stage.replicas.read(pool)

    async def scale_to(self, pool: WorkerPool, **asked: object) -> int:
        return await self.stage.replicas.scale_to(pool, **asked)  # type: ignore[arg-type]  # handed on

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        raise NotImplementedError


def test_an_unexpected_error_stays_with_its_pool(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(World(), worker_pool("bad"), worker_pool("good"))
    stage.loop = Loop(
        pools=stage.pools,
        brokers=stage.brokers,
        replicas=OneFails(stage),
        reporter=stage.reports,
        clock=stage.world.clock,
    )
    stage.world.publish(60.0)

    run(stage, 2)

    assert latest(stage, "good").desired_replicas == 1
    assert [tick.failed for tick in stage.reports.ticks] == [(PoolKey("apps", "bad"),)] * 2
    assert "reconcile failed" in caplog.text


def test_a_broker_that_cannot_be_found_for_no_known_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = worker_pool("bad", broker={"keyPrefix": "x"})
    stage = Stage(World(), bad, worker_pool("good"))

    class BreaksForOne:
        async def find(self, pool: WorkerPool) -> Broker:
            if pool.key.name == "bad":
                raise ZeroDivisionError
            return stage.brokers.broker

    stage.loop = Loop(
        pools=stage.pools,
        brokers=BreaksForOne(),
        replicas=stage.replicas,
        reporter=stage.reports,
        clock=stage.world.clock,
    )
    run(stage, 2)

    assert [tick.failed for tick in stage.reports.ticks] == [(PoolKey("apps", "bad"),)] * 2
    assert shown(latest(stage, "good"), ConditionType.READY) == ("True", "Reconciled")
    assert "broker not found" in caplog.text


class NeverReads:
    """A broker that does not even time out."""

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        await asyncio.Event().wait()
        raise AssertionError


def test_a_broker_that_hangs_holds_nobody_else_up() -> None:
    stage = Stage(World(), worker_pool("stuck", broker={"keyPrefix": "x"}), worker_pool("good"))
    hanging = Broker(key=BrokerKey("x"), queues=NeverReads(), workers=stage.workers)

    class TwoBrokers:
        async def find(self, pool: WorkerPool) -> Broker:
            return hanging if pool.key.name == "stuck" else stage.brokers.broker

    stage.loop = Loop(
        pools=stage.pools,
        brokers=TwoBrokers(),
        replicas=stage.replicas,
        reporter=stage.reports,
        clock=stage.world.clock,
        tick_wait_s=0.01,
    )
    stage.world.publish(60.0)

    run(stage, 5)

    assert latest(stage, "good").desired_replicas == 1
    assert [tick.reconciled for tick in stage.reports.ticks] == [2, 1, 1, 1, 1]


class BreaksOnRead:
    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        raise ZeroDivisionError


def test_a_broker_adapter_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(World(), worker_pool())
    stage.brokers.broker = replace(stage.brokers.broker, queues=BreaksOnRead())

    run(stage, 2)

    assert [len(tick.failed) for tick in stage.reports.ticks] == [1, 1]
    assert "broker not read" in caplog.text


def test_slots_are_asked_of_one_worker_where_the_spec_is_silent() -> None:
    stage = Stage(World(replicas=2, slots=4), worker_pool(concurrency=None))
    stage.world.settle()
    stage.world.publish(*[60.0] * 20)

    run(stage, 10)

    assert latest(stage).slots_per_replica == 4
    assert latest(stage).desired_replicas == 5
    # Once for the slots, and each worker once for what it consumes.
    assert len(stage.workers.asked_for_consumers) == 1 + 5


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
    stage = Stage(World(replicas=2), worker_pool())
    stage.world.settle()
    stage.annotate(**annotations)
    stage.world.publish(*[60.0] * 9)

    run(stage, 5)

    assert stage.world.replicas == want
    assert shown(latest(stage), ConditionType.PAUSED)[1] == reason


def test_a_replica_that_has_gone_drains_no_more() -> None:
    """A pool that had just been set to zero said that one of its replicas drains."""
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    stage = Stage(World(replicas=1), worker_pool(behavior=quick, cooldownPeriodSeconds=0))
    stage.world.settle()

    run(stage, 30)

    assert stage.world.replicas == 0
    shown = {(status.replicas, status.draining_replicas) for status in stage.reports.statuses}
    assert shown == {(1, 1), (0, 0)}


def test_run_ticks_until_it_is_cancelled() -> None:
    stage = Stage(World(), worker_pool())
    pauses_s: list[float] = []

    async def wait(pause_s: float) -> None:
        pauses_s.append(pause_s)
        stage.world.advance(1.0)
        if len(pauses_s) == 3:
            raise asyncio.CancelledError

    async def play() -> None:
        with pytest.raises(asyncio.CancelledError):
            await stage.loop.run(wait=wait)

    asyncio.run(play())

    assert pauses_s == [loop.MAX_PAUSE_S] * 3
    assert len(stage.reports.ticks) == 3


def test_run_outlives_a_tick_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(World(), worker_pool())
    stage.pools.listed = None  # type: ignore[assignment]  # a source of pools that is broken

    async def wait(_: float) -> None:
        stage.pools.listed = [worker_pool()]
        if stage.reports.ticks:
            raise asyncio.CancelledError

    async def play() -> None:
        with pytest.raises(asyncio.CancelledError):
            await stage.loop.run(wait=wait)

    asyncio.run(play())

    assert "tick failed" in caplog.text
    assert latest(stage).conditions[0].status is ConditionStatus.TRUE


def test_workers_that_cannot_be_spoken_to_are_the_brokers_trouble() -> None:
    """The queues were read, and the connection broke before the workers could be told."""
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    stage = Stage(World(replicas=2), worker_pool(behavior=quick, cooldownPeriodSeconds=0))
    stage.world.settle()

    async def say_nothing(*_: object, **__: object) -> frozenset[NodeName]:
        raise BrokerUnreachable(host="broker.test")

    stage.workers.stop_consuming = say_nothing  # type: ignore[method-assign]  # ours to bend
    run(stage, 10)

    assert stage.world.replicas == 2
    assert shown(latest(stage), ConditionType.METRICS_AVAILABLE) == ("False", "BrokerUnreachable")


def test_slots_that_nobody_tells_are_asked_for_again_later() -> None:
    stage = Stage(World(replicas=1), worker_pool(concurrency=None, minReplicas=1))
    stage.world.settle()
    asked_at_s = []

    async def ask(*_: object) -> dict[NodeName, NodeAnswer]:
        asked_at_s.append(stage.world.now_s)
        raise BrokerUnreachable(host="broker.test")

    stage.workers.consumers = ask  # type: ignore[method-assign,assignment]  # ours to bend
    run(stage, 70)

    began_at_s = asked_at_s[0]
    # Every 5 s for the slots, and ever more seldom for what it consumes.
    assert {at_s - began_at_s for at_s in asked_at_s} >= {5.0 * n for n in range(14)}
    assert len(asked_at_s) <= 14 + 6
    assert latest(stage).slots_per_replica is None


def test_a_pool_that_is_deleted_in_its_turn_is_not_remembered() -> None:
    stage = Stage(World(), worker_pool())
    read = stage.replicas.read

    async def read_and_delete(pool: WorkerPool) -> ScaleTarget:
        stage.pools.listed.clear()
        await stage.loop.tick()
        return await read(pool)

    stage.replicas.read = read_and_delete  # type: ignore[method-assign]  # ours to bend
    stage.loop = Loop(
        pools=stage.pools,
        brokers=stage.brokers,
        replicas=stage.replicas,
        reporter=stage.reports,
        clock=stage.world.clock,
        tick_wait_s=0.01,
    )
    run(stage, 3)

    assert dict(stage.reports.latest) == {}
