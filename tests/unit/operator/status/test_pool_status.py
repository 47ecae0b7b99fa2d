"""A pool's status goes to the API server whole, and continues the one that was there."""

from typing import Any

import pytest

from app.control.pool.status import (
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    PoolState,
    PoolStatus,
    QueueStatus,
)
from app.operator.status import pool_status as statuses
from app.operator.status.pool_status import ColumnTexts, WorkerPoolStatus
from app.queues import QueueName
from tests.pool_status import build_pool_status

NOON_S = 1772366400.0


def ready(*, at_s: float = NOON_S, is_so: bool = True) -> Condition:
    return Condition(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE if is_so else ConditionStatus.FALSE,
        reason="Reconciled",
        message="all is well",
        last_transition_at_s=at_s,
    )


def status(
    *, condition: Condition | None = None, last_scale_at_s: float | None = None
) -> WorkerPoolStatus:
    queue = QueueStatus(
        name=QueueName("documents"), ready=4, unacked=2, scheduled=None, oldest_age_s=1.26
    )
    return WorkerPoolStatus.of(
        PoolStatus(
            observed_generation=3,
            state=PoolState.FOLLOWING,
            pool_queues=("documents",),
            min_replicas=0,
            max_replicas=10,
            mode="Auto",
            replicas=2,
            ready_replicas=1,
            desired_replicas=2,
            draining_replicas=0,
            selector="app=shop",
            last_scale_at_s=last_scale_at_s,
            queues=(queue,),
            backlog=4,
            held=None,
            active_tasks=None,
            arrival_rate=0.12345,
            mean_runtime_s=None,
            queue_wait_s=1.26,
            slots_per_replica=4,
            explanation=("4 wait",),
            conditions=(condition or ready(),),
        )
    )


def test_the_patch_holds_everything_and_removes_the_unknown() -> None:
    assert status().merge_patch() == {
        "status": {
            "observedGeneration": 3,
            "state": "Following",
            "columns": {"state": "Following", "queues": "documents", "backlog": "4", "wait": "1s"},
            "mode": "Auto",
            "replicas": 2,
            "readyReplicas": 1,
            "desiredReplicas": 2,
            "drainingReplicas": 0,
            "selector": "app=shop",
            "lastScaleTime": None,
            "minReplicas": 0,
            "maxReplicas": 10,
            "backlog": 4,
            "held": None,
            "activeTasks": None,
            "arrivalRate": 0.123,
            "meanRuntimeSeconds": None,
            "queueWaitSeconds": 1.3,
            "slotsPerReplica": 4,
            "queues": [{"name": "documents", "ready": 4, "unacked": 2, "oldestAgeSeconds": 1.3}],
            "explanation": ["4 wait"],
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Reconciled",
                    "message": "all is well",
                    "lastTransitionTime": "2026-03-01T12:00:00Z",
                    "observedGeneration": 3,
                }
            ],
        }
    }


def test_a_condition_that_stays_keeps_its_moment_over_a_restart() -> None:
    earlier = status(condition=ready(at_s=NOON_S), last_scale_at_s=NOON_S)
    later = status(condition=ready(at_s=NOON_S + 60)).continuing(earlier)
    assert later == earlier


def test_a_condition_that_turns_has_a_moment_of_its_own() -> None:
    turned = status(condition=ready(at_s=NOON_S + 60, is_so=False))
    assert turned.continuing(status()) == turned


def test_what_was_written_is_read_back() -> None:
    written = status(last_scale_at_s=NOON_S)
    document = {k: v for k, v in written.merge_patch()["status"].items() if v is not None}
    assert statuses.parse_status(document) == written


def test_a_status_that_nobody_understands_is_empty() -> None:
    assert statuses.parse_status({"conditions": "yes"}) == WorkerPoolStatus()
    assert statuses.parse_status({}) == WorkerPoolStatus()


def test_a_long_message_is_cut() -> None:
    long = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE,
        reason="R",
        message="x" * 5000,
        last_transition_at_s=0,
    )
    assert len(status(condition=long).conditions[0].message) == MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param(
            {"state": PoolState.DRAINING, "draining_replicas": 2},
            {"state": "Draining 2"},
            id="the state counts drains",
        ),
        pytest.param({"backlog": 12, "held": 3}, {"backlog": "12+3"}, id="held beside waiting"),
        pytest.param({"backlog": 12, "held": 0}, {"backlog": "12"}, id="nothing held"),
        pytest.param({"backlog": None}, {"backlog": None}, id="not read"),
        pytest.param({"queue_wait_s": 4.26}, {"wait": "4s"}, id="seconds"),
        pytest.param({"pool_queues": ()}, {"queues": None}, id="a spec that cannot be read"),
    ],
)
def test_columns_are_short(change: dict[str, Any], want: dict[str, str | None]) -> None:
    shown = ColumnTexts.of(build_pool_status(**change)).model_dump()

    assert shown | want == shown
