"""Before the operator is uninstalled, every drain is undone."""

import asyncio

from app.control.pool.worker_pool import WorkerPool
from app.control.ports import InstanceName
from app.operator import release as operator_release
from app.operator.release import Released
from tests.unit.control.builders import worker_pool
from tests.unit.control.stage import Stage
from tests.unit.control.world import World


def draining() -> Stage:
    """Three busy replicas; two of them drain."""
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    stage = Stage(World(replicas=3), worker_pool(cooldownPeriodSeconds=0, behavior=quick))
    stage.world.settle()
    stage.world.publish(*[600.0] * 3)
    stage.world.advance(5)
    asyncio.run(stage.run(5))
    stage.change(max_replicas=1)
    asyncio.run(stage.run(10))
    assert len(marked(stage)) == 2
    return stage


def marked(stage: Stage) -> list[str]:
    return [pod.name for pod in stage.world.pods.values() if pod.mark is not None]


def release(stage: Stage) -> Released:
    async def wait(seconds: float) -> None:
        stage.world.advance(seconds)

    [pool] = stage.pools.listed
    assert isinstance(pool, WorkerPool)
    return asyncio.run(
        operator_release.undo_drains(
            [pool],
            stage.brokers,
            stage.replicas,
            clock=stage.world.clock,
            within_s=20,
            wait=wait,
        )
    )


def test_all_that_drain_consume_again_and_lose_their_marks() -> None:
    stage = draining()
    want = tuple(sorted(f"apps/{name}" for name in marked(stage)))

    assert release(stage) == Released(resumed=want, left=())
    assert marked(stage) == []
    assert all(pod.is_consuming for pod in stage.world.pods.values())
    assert (stage.world.replicas, stage.world.killed) == (3, [])


def test_a_replica_without_heartbeats_is_named() -> None:
    stage = draining()
    mute = InstanceName(marked(stage)[0])
    stage.world.pods[mute].is_mute = True
    stage.world.advance(30)

    assert release(stage).left == (f"apps/{mute}",)


def test_a_silent_broker_ends_it_in_time() -> None:
    stage = draining()
    stage.world.break_broker()

    assert len(release(stage).left) == 2
