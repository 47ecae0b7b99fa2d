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
from tests.unit.control.virtual_cluster import VirtualCluster, VirtualReplicas
from tests.unit.control.virtual_operator import VirtualOperator, VirtualReports, latest, run, shown


def test_a_write_that_lost_a_race_is_no_trouble() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.replicas.problem = None
    operator.cluster.publish(60.0)
    lost = PoolProblem(ProblemReason.SCALE_CONFLICT, "somebody else was faster")

    async def scale_to(*_: object, **__: object) -> int:
        raise lost

    operator.replicas.scale_to = scale_to  # type: ignore[method-assign]  # the fake is ours to bend
    run(operator, 2)

    assert shown(latest(operator), ConditionType.READY) == ("True", "Reconciled")


@dataclass(kw_only=True)
class Policed(VirtualReplicas):
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


def policed(cluster: VirtualCluster, pool: WorkerPool) -> tuple[VirtualOperator, Policed]:
    operator = VirtualOperator(cluster, pool)
    replicas = Policed(cluster=cluster)
    operator.replicas = replicas
    operator.loop = operator.build_loop()
    return operator, replicas


def test_a_refused_size_is_told_once_and_tried_ever_more_seldom() -> None:
    operator, replicas = policed(VirtualCluster(), worker_pool())
    operator.cluster.publish(*[600.0] * 9)

    run(operator, 120)

    assert shown(latest(operator), ConditionType.READY) == ("False", "ScaleRefused")
    assert shown(latest(operator), ConditionType.ABLE_TO_SCALE) == ("False", "ScaleRefused")
    assert operator.reports.reasons == ["ScaleRefused"]
    assert 3 < replicas.refused < 9
    assert len(operator.reports.statuses) < 12

    replicas.allowed = 100
    run(operator, 65)

    assert operator.cluster.replicas == 9
    assert shown(latest(operator), ConditionType.READY) == ("True", "Reconciled")


def test_a_size_that_is_allowed_is_reached_although_a_larger_one_was_refused() -> None:
    operator, _ = policed(VirtualCluster(), worker_pool())
    operator.cluster.publish(*[600.0] * 9)
    run(operator, 60)

    operator.change(max_replicas=4)
    run(operator, 2)

    assert operator.cluster.replicas == 4
    assert shown(latest(operator), ConditionType.READY) == ("True", "Reconciled")


def test_a_refused_size_does_not_keep_a_draining_replica_from_being_woken() -> None:
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    pool = worker_pool(cooldownPeriodSeconds=0, behavior=quick)
    operator, replicas = policed(VirtualCluster(replicas=3), pool)
    operator.cluster.settle()
    operator.cluster.publish(*[60.0] * 3)
    operator.cluster.advance(5)
    run(operator, 5)
    operator.change(max_replicas=1)
    run(operator, 10)
    assert {pod.is_consuming for pod in operator.cluster.pods.values()} == {True, False}
    replicas.allowed = 3

    operator.change(max_replicas=9)
    operator.cluster.publish(*[60.0] * 9)
    run(operator, 1)

    assert replicas.refused == 1
    assert {pod.is_consuming for pod in operator.cluster.pods.values()} == {True}


def test_a_race_that_is_lost_over_and_over_is_told() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.cluster.publish(60.0)
    lost = PoolProblem(ProblemReason.SCALE_CONFLICT, "another client was faster")

    async def scale_to(*_: object, **__: object) -> int:
        raise lost

    operator.replicas.scale_to = scale_to  # type: ignore[method-assign]  # the fake is ours to bend
    run(operator, 40)

    assert shown(latest(operator), ConditionType.ABLE_TO_SCALE) == ("False", "ScaleConflict")
    assert operator.reports.reasons == ["ScaleConflict"]


class Mute(VirtualReports):
    """Nobody can be told anything."""

    async def write_status(self, pool: object, status: PoolStatus) -> None:
        raise StorageUnavailable("no answer from the API server")


def test_a_status_that_cannot_be_written_does_not_stop_the_scaling(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.reports = Mute()
    operator.loop = operator.build_loop()
    operator.cluster.publish(60.0)

    run(operator, 2)

    assert operator.cluster.replicas == 1
    assert caplog.record_tuples[0][:2] == ("app.control.reconcile", logging.WARNING)


def test_a_machine_that_is_full_is_no_news() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.replicas.limit = 3
    operator.cluster.publish(*[60.0] * 9)

    run(operator, 30)

    assert (latest(operator).replicas, latest(operator).desired_replicas) == (3, 9)
    assert operator.reports.reasons == ["ScaledUp"]
    assert len(operator.reports.statuses) <= 5
