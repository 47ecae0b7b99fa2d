"""A worker that hangs at its start: no capacity, in no drain's way, and gone once others run."""

import asyncio

from app.control.pool.status import ConditionType
from app.control.pool.worker_pool import PoolKey
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import Pod, VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator


def grown(*, most: int) -> tuple[VirtualOperator, Pod]:
    """A pool that was heard to start, and whose second worker hangs at its start."""
    operator = VirtualOperator(
        VirtualCluster(), worker_pool(minReplicas=1, maxReplicas=most, cooldownPeriodSeconds=0)
    )
    operator.cluster.listens_from_s = operator.cluster.now_s
    asyncio.run(operator.run(10))
    operator.cluster.publish(*[300.0] * 2)
    asyncio.run(operator.run(1))
    (hung,) = [
        pod for pod in operator.cluster.pods.values() if pod.up_at_s > operator.cluster.now_s
    ]
    hung.is_mute, hung.consumed = True, set()
    return operator, hung


def health(operator: VirtualOperator) -> tuple[str, str]:
    status = operator.reports.latest[PoolKey("apps", "shop")]
    found = next(one for one in status.conditions if one.type is ConditionType.WORKERS_HEALTHY)
    return (found.status.value, found.reason)


def test_another_replica_is_started_in_the_place_of_one_that_hangs() -> None:
    operator, hung = grown(most=3)

    asyncio.run(operator.run(55))
    assert (operator.cluster.replicas, len(operator.cluster.tasks)) == (2, 1)
    asyncio.run(operator.run(60))

    assert not operator.cluster.tasks, "the second task runs"
    assert hung.name not in operator.cluster.pods, "enough others run"
    assert "WorkersNotStarted" in operator.reports.reasons
    assert health(operator) == ("True", "WorkersHeard")
    assert operator.cluster.killed == []


def test_no_drain_waits_for_a_replica_that_hangs() -> None:
    """Issue 9: it was chosen as the victim of a drain, which never ended."""
    operator, hung = grown(most=2)
    operator.cluster.tasks.clear()
    asyncio.run(operator.run(70))

    assert hung.name not in operator.cluster.pods
    assert operator.cluster.replicas == 1
    assert operator.cluster.killed == []
