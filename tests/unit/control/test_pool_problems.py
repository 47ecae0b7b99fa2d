"""A pool in trouble says so once, and the other pools go on."""

import re
from dataclasses import replace
from typing import Any

import pytest

from app.broker import redis_keys
from app.broker.model import MisnamedQueue
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.status import ConditionType
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.queues import QueueName
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator, latest, run, shown


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
    operator = VirtualOperator(VirtualCluster(), pool, other)
    operator.cluster.publish(60.0)

    run(operator, 20)

    assert shown(latest(operator), kind) == ("False", reason)
    assert shown(latest(operator), ConditionType.READY) == ("False", reason)
    told = [event.message for key, event in operator.reports.events if key.name == "shop"]
    assert len(told) == 1
    assert hint in told[0]
    assert latest(operator, "other").desired_replicas == 1


def test_a_missing_target_is_named_and_found_when_it_comes() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.replicas.problem = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "no such Deployment")

    run(operator, 5)
    before = shown(latest(operator), ConditionType.ABLE_TO_SCALE)
    operator.replicas.problem = None
    run(operator, 5)

    assert before == ("False", "TargetNotFound")
    assert shown(latest(operator), ConditionType.ABLE_TO_SCALE) == ("True", "ReadyForNewScale")
    assert operator.reports.reasons == ["TargetNotFound", "TargetNotFoundResolved"]


def test_every_problem_of_a_pool_is_told() -> None:
    """Issue 9: only the first one was."""
    pool = replace(
        worker_pool(
            schedules=[{"name": "x", "start": "99 * * * *", "end": "0 0 * * *", "minReplicas": 1}]
        ),
        annotations={"celeriac.dev/paused": "please", "celeriac.dev/paussed": "true"},
    )
    operator = VirtualOperator(VirtualCluster(is_broker_up=False), pool)
    operator.replicas.problem = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "no such Deployment")
    want = ["InvalidAnnotation", "InvalidSchedule", "TargetNotFound", "BrokerUnreachable"]

    run(operator, 2)
    message = latest(operator).conditions[0].message

    assert re.findall(r"(?:^|; )([A-Z]\w+): ", message) == [*want, "UnknownAnnotation"]
    assert set(operator.reports.reasons) == {*want, "UnknownAnnotation"}
    assert shown(latest(operator), ConditionType.METRICS_AVAILABLE) == (
        "False",
        "BrokerUnreachable",
    )
    assert latest(operator).draining_replicas is None


def test_a_misspelt_annotation_is_told_and_the_pool_works_on() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool())
    operator.annotate(paussed="true", note="kept by the platform team")
    operator.cluster.publish(60.0)

    run(operator, 5)

    assert latest(operator).desired_replicas == 1
    assert shown(latest(operator), ConditionType.READY) == ("True", "UnknownAnnotation")
    message = latest(operator).conditions[0].message
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
    operator = VirtualOperator(VirtualCluster(misnamed=(other, misnamed)), worker_pool())

    run(operator, 2)

    assert shown(latest(operator), ConditionType.READY) == ("True", "KeysDiffer")
    assert shown(latest(operator), ConditionType.METRICS_AVAILABLE) == ("Unknown", "KeysDiffer")
    assert f"the broker has q {words}" in latest(operator).conditions[0].message


def test_a_size_that_was_fixed_above_the_maximum_is_told() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool(replicas=12, maxReplicas=10))

    run(operator, 5)

    assert operator.cluster.replicas == 12
    assert shown(latest(operator), ConditionType.PAUSED) == ("True", "FixedOutOfBounds")
    assert "fixed at 12, above maxReplicas 10" in latest(operator).conditions[0].message


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
    operator = VirtualOperator(VirtualCluster(replicas=2), worker_pool(**fallback))
    operator.cluster.settle()
    operator.cluster.break_broker()

    run(operator, 10)

    assert operator.cluster.replicas == 2
    assert shown(latest(operator), ConditionType.FALLBACK) == want


def test_of_two_pools_on_one_target_the_older_one_works() -> None:
    target = {"name": "worker"}
    younger = replace(worker_pool("a", scaleTargetRef=target), created_at_s=2.0)
    older = replace(worker_pool("b", scaleTargetRef=target), created_at_s=1.0)
    operator = VirtualOperator(VirtualCluster(), younger, older)
    operator.cluster.publish(60.0)

    run(operator, 3)

    assert shown(latest(operator, "a"), ConditionType.ABLE_TO_SCALE) == ("False", "TargetShared")
    assert latest(operator, "b").desired_replicas == 1
    assert [key.name for key, event in operator.reports.events if "b already" in event.message] == [
        "a"
    ]
