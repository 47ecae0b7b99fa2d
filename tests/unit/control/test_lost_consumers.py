"""Workers that run and consume nothing: woken once, told, and no working replicas until they do."""

import asyncio

from app.control.pool.status import ConditionType
from app.control.pool.worker_pool import PoolKey
from app.queues import QueueName
from tests.unit.control.builders import worker_pool
from tests.unit.control.stage import Stage
from tests.unit.control.world import Pod, World


def stage_of(count: int, *, most: int = 5) -> Stage:
    stage = Stage(World(replicas=count), worker_pool(minReplicas=count, maxReplicas=most))
    stage.world.settle()
    asyncio.run(stage.run(10))
    return stage


def lose(pod: Pod) -> None:
    """As Celery 5.5 does when it connects anew, or a person by `celery control`."""
    pod.consumed = set()


def health(stage: Stage) -> tuple[str, str]:
    status = stage.reports.latest[PoolKey("apps", "shop")]
    found = next(one for one in status.conditions if one.type is ConditionType.WORKERS_HEALTHY)
    return (found.status.value, found.reason)


def test_a_worker_that_has_lost_its_consumers_is_given_them_back_and_told() -> None:
    stage = stage_of(2)
    first = next(iter(stage.world.pods.values()))
    lose(first)
    # Messages wait beside an idle worker: it is asked soon.
    stage.world.publish(*[30.0] * 4)

    asyncio.run(stage.run(45))

    assert first.is_consuming
    assert stage.reports.reasons.count("WorkersNotConsuming") == 1
    assert "WorkersNotConsumingResolved" in stage.reports.reasons
    assert health(stage) == ("True", "WorkersHeard")
    assert stage.world.killed == []


def test_a_worker_that_is_stopped_by_hand_again_is_replaced_and_not_fought() -> None:
    stage = stage_of(2)
    first = next(iter(stage.world.pods.values()))
    woken = 0
    for _ in range(30):
        woken += first.is_consuming
        lose(first)
        stage.world.publish(2.0)
        asyncio.run(stage.run(10))

    assert woken == 2, "as it was found, and once more"
    assert first.name not in stage.world.pods
    assert len(stage.world.pods) == 2
    assert all(pod.is_consuming for pod in stage.world.pods.values())
    assert stage.world.killed == []


def test_a_worker_without_consumers_is_no_capacity() -> None:
    """Another one is started for the message; it shows what the first should consume."""
    stage = stage_of(1, most=2)
    (only,) = stage.world.pods.values()
    lose(only)
    # Nothing tells what it should consume: the loop has begun after it was lost.
    asyncio.run(stage.restart())
    only.ends_at_s = [stage.world.now_s + 600.0]

    asyncio.run(stage.run(15))
    assert (stage.world.replicas, only.is_consuming) == (1, False)
    stage.world.publish(1.0)
    asyncio.run(stage.run(30))

    assert not stage.world.tasks
    assert only.is_consuming
    assert stage.world.killed == []


def test_a_pool_of_another_queue_than_its_workers_consume_is_not_ready() -> None:
    """Issue 9: a pool with a typing error said that it was ready."""
    stage = stage_of(2)
    assert health(stage) == ("True", "WorkersHeard")

    stage.change(queues=("q", "orderz"))
    asyncio.run(stage.run(5))

    assert health(stage) == ("False", "QueuesDiffer")
    status = stage.reports.latest[PoolKey("apps", "shop")]
    ready = next(one for one in status.conditions if one.type is ConditionType.READY)
    assert (ready.status.value, ready.reason) == ("False", "QueuesDiffer")
    assert "workers consume q; spec.queues names q, orderz" in ready.message
    assert all(pod.consuming == {QueueName("q")} for pod in stage.world.pods.values())


def test_asking_does_not_grow_with_the_looks() -> None:
    stage = stage_of(4)
    stage.workers.asked_for_consumers.clear()

    asyncio.run(stage.run(600))

    assert 4 <= len(stage.workers.asked_for_consumers) <= 2 * 4 + 4
