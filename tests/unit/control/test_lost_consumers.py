"""Workers that run and consume nothing: woken once, told, and no working replicas until they do."""

import asyncio

from app.control.pool.status import ConditionType
from app.control.pool.worker_pool import PoolKey
from app.queues import QueueName
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import Pod, VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator


def stage_of(count: int, *, most: int = 5) -> VirtualOperator:
    operator = VirtualOperator(
        VirtualCluster(replicas=count), worker_pool(minReplicas=count, maxReplicas=most)
    )
    operator.cluster.settle()
    asyncio.run(operator.run(10))
    return operator


def lose(pod: Pod) -> None:
    """As Celery 5.5 does when it connects anew, or a person by `celery control`."""
    pod.consumed = set()


def health(operator: VirtualOperator) -> tuple[str, str]:
    status = operator.reports.latest[PoolKey("apps", "shop")]
    found = next(one for one in status.conditions if one.type is ConditionType.WORKERS_HEALTHY)
    return (found.status.value, found.reason)


def test_a_worker_that_has_lost_its_consumers_is_given_them_back_and_told() -> None:
    operator = stage_of(2)
    first = next(iter(operator.cluster.pods.values()))
    lose(first)
    # Messages wait beside an idle worker: it is asked soon.
    operator.cluster.publish(*[30.0] * 4)

    asyncio.run(operator.run(45))

    assert first.is_consuming
    assert operator.reports.reasons.count("WorkersNotConsuming") == 1
    assert "WorkersNotConsumingResolved" in operator.reports.reasons
    assert health(operator) == ("True", "WorkersHeard")
    assert operator.cluster.killed == []


def test_a_worker_that_is_stopped_by_hand_again_is_replaced_and_not_fought() -> None:
    operator = stage_of(2)
    first = next(iter(operator.cluster.pods.values()))
    woken = 0
    for _ in range(30):
        woken += first.is_consuming
        lose(first)
        operator.cluster.publish(2.0)
        asyncio.run(operator.run(10))

    assert woken == 2, "as it was found, and once more"
    assert first.name not in operator.cluster.pods
    assert len(operator.cluster.pods) == 2
    assert all(pod.is_consuming for pod in operator.cluster.pods.values())
    assert operator.cluster.killed == []


def test_a_worker_without_consumers_is_no_capacity() -> None:
    """Another one is started for the message; it shows what the first should consume."""
    operator = stage_of(1, most=2)
    (only,) = operator.cluster.pods.values()
    lose(only)
    # Nothing tells what it should consume: the loop has begun after it was lost.
    asyncio.run(operator.restart())
    only.ends_at_s = [operator.cluster.now_s + 600.0]

    asyncio.run(operator.run(15))
    assert (operator.cluster.replicas, only.is_consuming) == (1, False)
    operator.cluster.publish(1.0)
    asyncio.run(operator.run(30))

    assert not operator.cluster.tasks
    assert only.is_consuming
    assert operator.cluster.killed == []


def test_a_pool_of_another_queue_than_its_workers_consume_is_not_ready() -> None:
    """Issue 9: a pool with a typing error said that it was ready."""
    operator = stage_of(2)
    assert health(operator) == ("True", "WorkersHeard")

    operator.change(queues=("q", "orderz"))
    asyncio.run(operator.run(5))

    assert health(operator) == ("False", "QueuesDiffer")
    status = operator.reports.latest[PoolKey("apps", "shop")]
    ready = next(one for one in status.conditions if one.type is ConditionType.READY)
    assert (ready.status.value, ready.reason) == ("False", "QueuesDiffer")
    assert "workers consume q; spec.queues names q, orderz" in ready.message
    assert all(pod.consuming == {QueueName("q")} for pod in operator.cluster.pods.values())


def test_asking_does_not_grow_with_the_looks() -> None:
    operator = stage_of(4)
    operator.workers.asked_for_consumers.clear()

    asyncio.run(operator.run(600))

    assert 4 <= len(operator.workers.asked_for_consumers) <= 2 * 4 + 4
