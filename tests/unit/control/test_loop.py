"""The loop: what one pool's trouble means for it and for the others, and what is written when."""

import asyncio
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.broker import redis_keys
from app.broker.model import BrokerReading, MisnamedQueue, NodeAnswer, NodeName
from app.control import loop
from app.control.loop import Loop
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.status import ConditionStatus, ConditionType, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Broker, BrokerKey, DrainMark, InstanceName, ScaleTarget
from app.errors import BrokerUnreachable, StorageUnavailable
from app.queues import QueueName
from tests.unit.control.builders import worker_pool
from tests.unit.control.world import Stage, World, WorldReplicas, WorldReports


def shown(status: PoolStatus, kind: ConditionType) -> tuple[str, str]:
    found = next(one for one in status.conditions if one.type is kind)
    return (found.status.value, found.reason)


def latest(stage: Stage, name: str = "shop") -> PoolStatus:
    return stage.reports.latest[PoolKey("apps", name)]


def run(stage: Stage, seconds: float) -> None:
    asyncio.run(stage.run(seconds))


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


@pytest.mark.parametrize(
    ("pool", "kind", "reason", "hint"),
    [
        pytest.param(
            worker_pool(broker={"secretKeyRef": {"name": "absent"}}),
            ConditionType.METRICS_AVAILABLE,
            "BrokerUnknown",
            "create it",
            id="unknown secret",
        ),
        pytest.param(
            worker_pool(
                schedules=[
                    {"name": "x", "start": "99 * * * *", "end": "0 0 * * *", "minReplicas": 1}
                ]
            ),
            ConditionType.ABLE_TO_SCALE,
            "InvalidSchedule",
            "cron expression '99 * * * *'",
            id="bad cron",
        ),
        pytest.param(
            replace(worker_pool(), annotations={"celeriac.dev/paused": "please"}),
            ConditionType.ABLE_TO_SCALE,
            "InvalidAnnotation",
            "write true or false",
            id="bad annotation",
        ),
        pytest.param(
            UnreadablePool(
                key=PoolKey("apps", "shop"),
                problem=PoolProblem(ProblemReason.INVALID_SPEC, "spec.queues: Field required"),
            ),
            ConditionType.ABLE_TO_SCALE,
            "InvalidSpec",
            "spec.queues",
            id="unreadable spec",
        ),
    ],
)
def test_a_pool_in_trouble_says_so_once_and_the_others_work_on(
    pool: WorkerPool | UnreadablePool, kind: ConditionType, reason: str, hint: str
) -> None:
    other = worker_pool("other", scaleTargetRef={"name": "another"})
    stage = Stage(World(), pool, other)
    stage.world.publish(60.0)

    run(stage, 20)

    assert shown(latest(stage), kind) == ("False", reason)
    assert shown(latest(stage), ConditionType.READY) == ("False", reason)
    told = [event.message for key, event in stage.reports.events if key.name == "shop"]
    assert len(told) == 1
    assert hint in told[0]
    assert latest(stage, "other").desired_replicas == 1


def test_a_missing_target_is_named_and_found_when_it_comes() -> None:
    stage = Stage(World(), worker_pool())
    stage.replicas.problem = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "no such Deployment")

    run(stage, 5)
    before = shown(latest(stage), ConditionType.ABLE_TO_SCALE)
    stage.replicas.problem = None
    run(stage, 5)

    assert before == ("False", "TargetNotFound")
    assert shown(latest(stage), ConditionType.ABLE_TO_SCALE) == ("True", "ReadyForNewScale")
    assert stage.reports.reasons == ["TargetNotFound", "TargetNotFoundResolved"]


def test_every_problem_of_a_pool_is_told() -> None:
    """Issue 9: only the first one was."""
    pool = replace(
        worker_pool(
            schedules=[{"name": "x", "start": "99 * * * *", "end": "0 0 * * *", "minReplicas": 1}]
        ),
        annotations={"celeriac.dev/paused": "please", "celeriac.dev/paussed": "true"},
    )
    stage = Stage(World(is_broker_up=False), pool)
    stage.replicas.problem = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "no such Deployment")
    want = ["InvalidAnnotation", "InvalidSchedule", "TargetNotFound", "BrokerUnreachable"]

    run(stage, 2)
    message = latest(stage).conditions[0].message

    assert re.findall(r"(?:^|; )([A-Z]\w+): ", message) == [*want, "UnknownAnnotation"]
    assert set(stage.reports.reasons) == {*want, "UnknownAnnotation"}
    assert shown(latest(stage), ConditionType.METRICS_AVAILABLE) == ("False", "BrokerUnreachable")
    assert latest(stage).draining_replicas is None


def test_a_misspelt_annotation_is_told_and_the_pool_works_on() -> None:
    stage = Stage(World(), worker_pool())
    stage.annotate(paussed="true", note="kept by the platform team")
    stage.world.publish(60.0)

    run(stage, 5)

    assert latest(stage).desired_replicas == 1
    assert shown(latest(stage), ConditionType.READY) == ("True", "UnknownAnnotation")
    message = latest(stage).conditions[0].message
    assert "celeriac.dev/paussed has no effect; did you mean celeriac.dev/paused?" in message
    assert "celeriac.dev/note has no effect; the annotations of a pool are" in message


@pytest.mark.parametrize(
    ("misnamed", "words"),
    [
        pytest.param(
            MisnamedQueue(queue=QueueName("q"), prefix="shop:", separator=redis_keys.SEPARATOR),
            "with the key prefix 'shop:', not with that of this pool: set broker.keyPrefix",
            id="another key prefix",
        ),
        pytest.param(
            MisnamedQueue(queue=QueueName("q"), prefix="", separator=":"),
            "with the separator (sep) ':', not with that of this pool: keep kombu's default",
            id="another separator",
        ),
    ],
)
def test_queues_that_are_called_otherwise_are_told(misnamed: MisnamedQueue, words: str) -> None:
    other = replace(misnamed, queue=QueueName("another pool's"))
    stage = Stage(World(misnamed=(other, misnamed)), worker_pool())

    run(stage, 2)

    assert shown(latest(stage), ConditionType.READY) == ("True", "KeysDiffer")
    assert shown(latest(stage), ConditionType.METRICS_AVAILABLE) == ("Unknown", "KeysDiffer")
    assert f"the broker has q {words}" in latest(stage).conditions[0].message


def test_a_size_that_was_fixed_above_the_maximum_is_told() -> None:
    stage = Stage(World(), worker_pool(replicas=12, maxReplicas=10))

    run(stage, 5)

    assert stage.world.replicas == 12
    assert shown(latest(stage), ConditionType.PAUSED) == ("True", "FixedOutOfBounds")
    assert "fixed at 12, above maxReplicas 10" in latest(stage).conditions[0].message


@pytest.mark.parametrize(
    ("fallback", "want"),
    [
        pytest.param({}, ("False", "NotNeeded"), id="none in the spec"),
        pytest.param(
            {"fallback": {"failureThreshold": 2}}, ("True", "NoReading"), id="one in the spec"
        ),
    ],
)
def test_a_fallback_is_told_only_where_the_spec_has_one(
    fallback: dict[str, Any], want: tuple[str, str]
) -> None:
    """Issue 9: an outage made Fallback=True of pools without spec.fallback."""
    stage = Stage(World(replicas=2), worker_pool(**fallback))
    stage.world.settle()
    stage.world.break_broker()

    run(stage, 10)

    assert stage.world.replicas == 2
    assert shown(latest(stage), ConditionType.FALLBACK) == want


def test_of_two_pools_on_one_target_the_older_one_works() -> None:
    target = {"name": "worker"}
    younger = replace(worker_pool("a", scaleTargetRef=target), created_at_s=2.0)
    older = replace(worker_pool("b", scaleTargetRef=target), created_at_s=1.0)
    stage = Stage(World(), younger, older)
    stage.world.publish(60.0)

    run(stage, 3)

    assert shown(latest(stage, "a"), ConditionType.ABLE_TO_SCALE) == ("False", "TargetShared")
    assert latest(stage, "b").desired_replicas == 1
    assert [key.name for key, event in stage.reports.events if "b already" in event.message] == [
        "a"
    ]


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


def test_a_write_that_lost_a_race_is_no_trouble() -> None:
    stage = Stage(World(), worker_pool())
    stage.replicas.problem = None
    stage.world.publish(60.0)
    lost = PoolProblem(ProblemReason.SCALE_CONFLICT, "somebody else was faster")

    async def scale_to(*_: object, **__: object) -> int:
        raise lost

    stage.replicas.scale_to = scale_to  # type: ignore[method-assign]  # the fake is ours to bend
    run(stage, 2)

    assert shown(latest(stage), ConditionType.READY) == ("True", "Reconciled")


@dataclass(kw_only=True)
class Policed(WorldReplicas):
    """An admission policy allows so many replicas and no more."""

    allowed: int = 4
    refused: int = 0

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        if replicas > self.allowed:
            self.refused += 1
            raise PoolProblem(ProblemReason.SCALE_REFUSED, f"no more than {self.allowed}")
        return await super().scale_to(pool, was=was, replicas=replicas, victims=victims)


def policed(world: World, pool: WorkerPool) -> tuple[Stage, Policed]:
    stage = Stage(world, pool)
    replicas = Policed(world=world)
    stage.replicas = replicas
    stage.loop = stage.build_loop()
    return stage, replicas


def test_a_refused_size_is_told_once_and_tried_ever_more_seldom() -> None:
    stage, replicas = policed(World(), worker_pool())
    stage.world.publish(*[600.0] * 9)

    run(stage, 120)

    assert shown(latest(stage), ConditionType.READY) == ("False", "ScaleRefused")
    assert shown(latest(stage), ConditionType.ABLE_TO_SCALE) == ("False", "ScaleRefused")
    assert stage.reports.reasons == ["ScaleRefused"]
    assert 3 < replicas.refused < 9
    assert len(stage.reports.statuses) < 12

    replicas.allowed = 100
    run(stage, 65)

    assert stage.world.replicas == 9
    assert shown(latest(stage), ConditionType.READY) == ("True", "Reconciled")


def test_a_size_that_is_allowed_is_reached_although_a_larger_one_was_refused() -> None:
    stage, _ = policed(World(), worker_pool())
    stage.world.publish(*[600.0] * 9)
    run(stage, 60)

    stage.change(max_replicas=4)
    run(stage, 2)

    assert stage.world.replicas == 4
    assert shown(latest(stage), ConditionType.READY) == ("True", "Reconciled")


def test_a_refused_size_does_not_keep_a_draining_replica_from_being_woken() -> None:
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    pool = worker_pool(cooldownPeriodSeconds=0, behavior=quick)
    stage, replicas = policed(World(replicas=3), pool)
    stage.world.settle()
    stage.world.publish(*[60.0] * 3)
    stage.world.advance(5)
    run(stage, 5)
    stage.change(max_replicas=1)
    run(stage, 10)
    assert {pod.is_consuming for pod in stage.world.pods.values()} == {True, False}
    replicas.allowed = 3

    stage.change(max_replicas=9)
    stage.world.publish(*[60.0] * 9)
    run(stage, 1)

    assert replicas.refused == 1
    assert {pod.is_consuming for pod in stage.world.pods.values()} == {True}


def test_a_race_that_is_lost_over_and_over_is_told() -> None:
    stage = Stage(World(), worker_pool())
    stage.world.publish(60.0)
    lost = PoolProblem(ProblemReason.SCALE_CONFLICT, "another client was faster")

    async def scale_to(*_: object, **__: object) -> int:
        raise lost

    stage.replicas.scale_to = scale_to  # type: ignore[method-assign]  # the fake is ours to bend
    run(stage, 40)

    assert shown(latest(stage), ConditionType.ABLE_TO_SCALE) == ("False", "ScaleConflict")
    assert stage.reports.reasons == ["ScaleConflict"]


class Mute(WorldReports):
    """Nobody can be told anything."""

    async def write_status(self, pool: object, status: PoolStatus) -> None:
        raise StorageUnavailable("no answer from the API server")


def test_a_status_that_cannot_be_written_does_not_stop_the_scaling(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(World(), worker_pool())
    stage.reports = Mute()
    stage.loop = stage.build_loop()
    stage.world.publish(60.0)

    run(stage, 2)

    assert stage.world.replicas == 1
    assert caplog.record_tuples[0][:2] == ("app.control.reconcile", logging.WARNING)


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


def test_a_machine_that_is_full_is_no_news() -> None:
    stage = Stage(World(), worker_pool())
    stage.replicas.limit = 3
    stage.world.publish(*[60.0] * 9)

    run(stage, 30)

    assert (latest(stage).replicas, latest(stage).desired_replicas) == (3, 9)
    assert stage.reports.reasons == ["ScaledUp"]
    assert len(stage.reports.statuses) <= 5


def test_events_tell_each_change_with_its_inputs() -> None:
    stage = Stage(World(), worker_pool(maxReplicas=4))
    stage.world.publish(*[10.0] * 8)

    run(stage, 90)

    assert stage.reports.reasons[0] == "ScaledUp"
    assert stage.reports.events[0][1].message.startswith("0 -> 4 replicas. 8 waiting, 0 running")
    assert set(stage.reports.reasons[1:]) == {"DrainStarted", "ScaledDown"}
    assert len(stage.reports.reasons) <= 8


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


def test_replicas_that_cannot_be_woken_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    stage = Stage(World(replicas=2), worker_pool(behavior=quick, cooldownPeriodSeconds=0))
    stage.world.settle()

    async def play() -> None:
        await stage.run(3)
        stage.pools.listed.clear()
        stage.world.break_broker()
        stage.replicas.problem = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "gone as well")
        await stage.run(1)

    asyncio.run(play())

    assert "drains not ended" in caplog.text


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """The lines of the audit trail, by their fields."""
    wanted = ("message", "pool", "from", "to", "reason", "outcome", "broker", "lasted_s")
    return [
        {name: value for name, value in vars(record).items() if name in wanted}
        for record in caplog.records
        if record.name == "celeriac.pools"
    ]


def test_the_log_tells_each_change_of_size_and_each_drain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    stage = Stage(World(), worker_pool(cooldownPeriodSeconds=0, behavior=quick))
    stage.world.publish(3.0, 3.0)

    run(stage, 40)

    told = audited(caplog)
    sizes = [(line["from"], line["to"]) for line in told if line["message"] == "pool scaled"]
    ends = [line["outcome"] for line in told if line["message"] == "drain ended"]
    assert (sizes[0], sizes[-1][1]) == ((0, 2), 0)
    assert ends == ["removed", "removed"]
    assert len([end for tick in stage.reports.ticks for end in tick.drained]) == 2
    assert {line["pool"] for line in told} == {"apps/shop"}


def test_an_outage_of_a_broker_is_one_line_and_its_end_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    pools = [worker_pool(f"p{n}", queues=[f"q{n}"]) for n in range(9)]
    stage = Stage(World(), *pools)
    run(stage, 2)
    stage.world.break_broker()
    run(stage, 30)
    stage.world.mend_broker()
    run(stage, 3)

    told = [line["message"] for line in audited(caplog)]

    assert told == ["broker not read, its pools keep their sizes", "broker is read again"]
    assert len(stage.reports.events) == 18  # each owner is told all the same
