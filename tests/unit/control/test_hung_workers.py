"""A worker that hangs at its start: no capacity, in no drain's way, and gone once others run."""

import asyncio

from app.control.pool.status import ConditionType
from app.control.pool.worker_pool import PoolKey
from tests.unit.control.builders import worker_pool
from tests.unit.control.stage import Stage
from tests.unit.control.world import Pod, World


def grown(*, most: int) -> tuple[Stage, Pod]:
    """A pool that was heard to start, and whose second worker hangs at its start."""
    stage = Stage(World(), worker_pool(minReplicas=1, maxReplicas=most, cooldownPeriodSeconds=0))
    stage.world.listens_from_s = stage.world.now_s
    asyncio.run(stage.run(10))
    stage.world.publish(*[300.0] * 2)
    asyncio.run(stage.run(1))
    (hung,) = [pod for pod in stage.world.pods.values() if pod.up_at_s > stage.world.now_s]
    hung.is_mute, hung.consumed = True, set()
    return stage, hung


def health(stage: Stage) -> tuple[str, str]:
    status = stage.reports.latest[PoolKey("apps", "shop")]
    found = next(one for one in status.conditions if one.type is ConditionType.WORKERS_HEALTHY)
    return (found.status.value, found.reason)


def test_another_replica_is_started_in_the_place_of_one_that_hangs() -> None:
    stage, hung = grown(most=3)

    asyncio.run(stage.run(55))
    assert (stage.world.replicas, len(stage.world.tasks)) == (2, 1)
    asyncio.run(stage.run(60))

    assert not stage.world.tasks, "the second task runs"
    assert hung.name not in stage.world.pods, "enough others run"
    assert "WorkersNotStarted" in stage.reports.reasons
    assert health(stage) == ("True", "WorkersHeard")
    assert stage.world.killed == []


def test_no_drain_waits_for_a_replica_that_hangs() -> None:
    """Issue 9: it was chosen as the victim of a drain, which never ended."""
    stage, hung = grown(most=2)
    stage.world.tasks.clear()
    asyncio.run(stage.run(70))

    assert hung.name not in stage.world.pods
    assert stage.world.replicas == 1
    assert stage.world.killed == []
