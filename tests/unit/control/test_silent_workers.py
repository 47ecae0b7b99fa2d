"""Workers that are silent while they run a task, as those of a solo pool are."""

import asyncio

import pytest

from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import Pod, VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator

QUICK = {"scaleDown": {"stabilizationWindowSeconds": 0}}


def with_two_tasks(*, long_first: bool, short_s: float) -> tuple[VirtualOperator, Pod]:
    """Two solo workers, one of which runs a task of 300 s; that one is returned."""
    pool = worker_pool(maxReplicas=2, cooldownPeriodSeconds=0, behavior=QUICK)
    operator = VirtualOperator(VirtualCluster(is_solo=True), pool)
    operator.cluster.publish(*((300.0, short_s) if long_first else (short_s, 300.0)))
    asyncio.run(operator.run(5))
    (busy,) = [
        pod
        for pod in operator.cluster.pods.values()
        if sum(pod.ends_at_s) > operator.cluster.now_s + 200
    ]
    return operator, busy


@pytest.mark.parametrize("long_first", [True, False])
@pytest.mark.parametrize("short_s", [4.0, 12.0, 60.0])
def test_a_pool_shrinks_while_a_silent_worker_runs_a_long_task(
    *, long_first: bool, short_s: float
) -> None:
    """Issue 9: its last heartbeat says that it is idle. It was chosen in place of the idle one, and
    the pool stayed as it was until its task had ended."""
    operator, busy = with_two_tasks(long_first=long_first, short_s=short_s)

    asyncio.run(operator.run(short_s + 25))
    assert list(operator.cluster.pods.values()) == [busy]
    sizes = len(operator.cluster.sizes)
    asyncio.run(operator.run(150))
    assert len(operator.cluster.sizes) == sizes, "it stays at one replica"

    asyncio.run(operator.run(200))
    assert (operator.cluster.replicas, operator.cluster.ended) == (0, 2)
    assert operator.cluster.killed == []


def test_a_silent_worker_that_was_told_to_stop_changes_places_and_is_woken_at_its_end() -> None:
    pool = worker_pool(minReplicas=2, maxReplicas=2, cooldownPeriodSeconds=0, behavior=QUICK)
    operator = VirtualOperator(VirtualCluster(is_solo=True, replicas=2), pool)
    operator.cluster.settle()
    asyncio.run(operator.run(10))
    idle, chosen = operator.cluster.pods.values()
    chosen.up_at_s += 0.5  # the younger one

    operator.cluster.advance(0.5)
    chosen.ends_at_s = [operator.cluster.now_s + 200.0]
    operator.change(min_replicas=1)
    asyncio.run(operator.run(1))
    assert (idle.mark, chosen.mark is not None) == (None, True)

    asyncio.run(operator.run(20))
    assert list(operator.cluster.pods.values()) == [chosen]
    asyncio.run(operator.run(150))
    assert [size for _, size in operator.cluster.sizes] == [1], "no other one is started for it"

    asyncio.run(operator.run(60))
    assert (chosen.mark, chosen.is_consuming) == (None, True)
    assert operator.cluster.killed == []
