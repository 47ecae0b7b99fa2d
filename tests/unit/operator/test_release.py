"""Before the operator is uninstalled, every drain is undone."""

import asyncio

from app.control.pool.worker_pool import WorkerPool
from app.control.ports import InstanceName
from app.operator import release as operator_release
from app.operator.release import Released
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator


def draining() -> VirtualOperator:
    """Three busy replicas; two of them drain."""
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    operator = VirtualOperator(
        VirtualCluster(replicas=3), worker_pool(cooldownPeriodSeconds=0, behavior=quick)
    )
    operator.cluster.settle()
    operator.cluster.publish(*[600.0] * 3)
    operator.cluster.advance(5)
    asyncio.run(operator.run(5))
    operator.change(max_replicas=1)
    asyncio.run(operator.run(10))
    assert len(marked(operator)) == 2
    return operator


def marked(operator: VirtualOperator) -> list[str]:
    return [pod.name for pod in operator.cluster.pods.values() if pod.mark is not None]


def release(operator: VirtualOperator) -> Released:
    async def wait(seconds: float) -> None:
        operator.cluster.advance(seconds)

    [pool] = operator.pools.listed
    assert isinstance(pool, WorkerPool)
    return asyncio.run(
        operator_release.undo_drains(
            [pool],
            operator.brokers,
            operator.replicas,
            clock=operator.cluster.clock,
            within_s=20,
            wait=wait,
        )
    )


def test_all_that_drain_consume_again_and_lose_their_marks() -> None:
    operator = draining()
    want = tuple(sorted(f"apps/{name}" for name in marked(operator)))

    assert release(operator) == Released(resumed=want, left=())
    assert marked(operator) == []
    assert all(pod.is_consuming for pod in operator.cluster.pods.values())
    assert (operator.cluster.replicas, operator.cluster.killed) == (3, [])


def test_a_replica_without_heartbeats_is_named() -> None:
    operator = draining()
    mute = InstanceName(marked(operator)[0])
    operator.cluster.pods[mute].is_mute = True
    operator.cluster.advance(30)

    assert release(operator).left == (f"apps/{mute}",)


def test_a_silent_broker_ends_it_in_time() -> None:
    operator = draining()
    operator.cluster.break_broker()

    assert len(release(operator).left) == 2
