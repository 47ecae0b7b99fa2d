"""Scales that the API server refuses: when they are repeated, and what is reported."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.status import ConditionType, PoolStatus
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import InstanceName
from app.errors import StorageUnavailable
from tests.unit.control.builders import worker_pool
from tests.unit.control.stage import Stage, WorldReports, latest, run, shown
from tests.unit.control.world import World, WorldReplicas


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


def test_a_machine_that_is_full_is_no_news() -> None:
    stage = Stage(World(), worker_pool())
    stage.replicas.limit = 3
    stage.world.publish(*[60.0] * 9)

    run(stage, 30)

    assert (latest(stage).replicas, latest(stage).desired_replicas) == (3, 9)
    assert stage.reports.reasons == ["ScaledUp"]
    assert len(stage.reports.statuses) <= 5
