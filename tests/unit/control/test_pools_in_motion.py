"""Pools over time: bursts, drains, restarts, outages. Virtual time, no sleeping."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.control.pool.references import ScaleTargetRef
from app.control.pool.spec import Mode
from app.scaling.replica_state import Removal
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator


def test_a_burst_is_answered_in_one_write() -> None:
    """40 one-minute tasks on an empty pool, at most 32 replicas."""
    operator = VirtualOperator(VirtualCluster(), worker_pool(maxReplicas=32))

    async def play() -> None:
        await operator.run(3)
        operator.cluster.publish(*[60.0] * 40)
        await operator.run(2)

    asyncio.run(play())

    assert [size for _, size in operator.cluster.sizes] == [32]


def test_a_pool_comes_back_to_zero_and_has_killed_nobody() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool(maxReplicas=32))

    async def play() -> None:
        operator.cluster.publish(*[30.0] * 40)
        await operator.run(150)

    asyncio.run(play())

    assert operator.cluster.replicas == 0
    assert (operator.cluster.ended, operator.cluster.killed) == (40, [])


def mixed(seed: int = 1) -> list[float]:
    runtimes_s = [10.0] * 10 + [240.0] * 10
    random.Random(seed).shuffle(runtimes_s)
    return runtimes_s


EACH_FOUR = {"backlogPerReplica": 4}
HASTY: dict[str, Any] = {
    "maxReplicas": 10,
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "tolerance": 0}},
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("removal", [Removal.CHOSEN, Removal.HIGHEST_ORDINAL])
def test_long_tasks_live_through_an_aggressive_scale_down(seed: int, removal: Removal) -> None:
    """20 tasks of 10 s and 240 s over 10 replicas (KEDA ends 7 to 9 of the 10 long ones)."""
    operator = VirtualOperator(VirtualCluster(replicas=10, removal=removal), worker_pool(**HASTY))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(*mixed(seed))
        await operator.run(200)
        assert operator.cluster.replicas >= operator.cluster.running
        await operator.run(600)

    asyncio.run(play())

    assert operator.cluster.killed == []
    assert (operator.cluster.ended, operator.cluster.replicas) == (20, 0)


def test_replicas_go_while_long_tasks_run_and_short_tasks_do_not_wait_behind_them() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=10), worker_pool(**HASTY))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(*[240.0] * 4, *[10.0] * 6)
        await operator.run(40)
        assert (operator.cluster.running, operator.cluster.replicas) == (4, 4)
        operator.cluster.publish(*[5.0] * 5)
        await operator.run(20)

    asyncio.run(play())

    assert operator.cluster.killed == []
    assert max(wait_s for wait_s, runtime_s in operator.cluster.waits_s if runtime_s < 200) <= 6.0


def test_a_restart_in_the_middle_of_a_drain_goes_on() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=10), worker_pool(**HASTY))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(*[120.0] * 3)
        await operator.run(9)
        assert any(pod.mark for pod in operator.cluster.pods.values())
        await operator.restart()
        await operator.run(40)
        assert operator.cluster.replicas == 3
        await operator.run(160)

    asyncio.run(play())

    assert (operator.cluster.killed, operator.cluster.replicas) == ([], 0)


def test_load_that_comes_back_wakes_draining_replicas_and_starts_none() -> None:
    """Packed work: ten replicas of four slots with a long task each become three and seven."""
    operator = VirtualOperator(
        VirtualCluster(replicas=10, slots=4), worker_pool(**HASTY, concurrency=4, target=EACH_FOUR)
    )

    async def play() -> None:
        operator.cluster.settle()
        for pod in operator.cluster.pods.values():
            pod.ends_at_s.append(operator.cluster.now_s + 300.0)
        await operator.run(15)
        assert sum(not pod.is_consuming for pod in operator.cluster.pods.values()) == 7
        operator.cluster.publish(*[20.0] * 30)
        await operator.run(4)

    asyncio.run(play())

    assert all(pod.mark is None for pod in operator.cluster.pods.values())
    assert (operator.cluster.sizes, operator.cluster.killed) == ([], [])
    assert (operator.cluster.running, len(operator.cluster.tasks)) == (40, 0)


def test_an_outage_changes_nothing_and_recovery_takes_seconds() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=6), worker_pool(maxReplicas=6))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(*[15.0] * 60)
        await operator.run(20)
        operator.cluster.break_broker()
        await operator.run(60)
        assert (operator.cluster.replicas, operator.cluster.sizes) == (6, [])
        operator.cluster.mend_broker()
        await operator.run(4)

    asyncio.run(play())

    metrics = [
        (one.status, one.reason)
        for status in operator.reports.statuses
        for one in status.conditions
        if one.type == "MetricsAvailable"
    ]
    turns = [
        pair for pair, after in zip(metrics, [*metrics[1:], None], strict=True) if pair != after
    ]
    assert turns == [
        ("True", "ValidReading"),
        ("False", "BrokerUnreachable"),
        ("True", "ValidReading"),
    ]
    assert operator.reports.reasons == ["BrokerUnreachable", "BrokerUnreachableResolved"]


def test_a_stopped_replica_is_woken_when_its_pool_is_deleted() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=4), worker_pool(**HASTY))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(60.0)
        await operator.run(8)
        assert any(not pod.is_consuming for pod in operator.cluster.pods.values())
        operator.pools.listed.clear()
        await operator.run(2)

    asyncio.run(play())

    assert all(pod.is_consuming and pod.mark is None for pod in operator.cluster.pods.values())


def test_a_stopped_replica_is_woken_when_its_pool_goes_to_another_target() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=4), worker_pool(**HASTY))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(60.0)
        await operator.run(3)
        assert any(not pod.is_consuming for pod in operator.cluster.pods.values())
        operator.change(scale_target_ref=ScaleTargetRef(name="another"))
        operator.annotate(paused="an error, so that the pool itself does nothing")
        await operator.loop.tick()

    asyncio.run(play())

    assert all(pod.is_consuming and pod.mark is None for pod in operator.cluster.pods.values())


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.OFF])
def test_a_pool_that_is_switched_off_lets_go_of_what_it_drains(mode: Mode) -> None:
    operator = VirtualOperator(VirtualCluster(replicas=4), worker_pool(**HASTY))

    async def play() -> None:
        operator.cluster.settle()
        operator.cluster.publish(60.0)
        await operator.run(8)
        size = operator.cluster.replicas
        operator.change(mode=mode)
        await operator.run(10)
        assert operator.cluster.replicas == size

    asyncio.run(play())

    assert all(pod.is_consuming and pod.mark is None for pod in operator.cluster.pods.values())


def test_a_mute_worker_is_never_taken_away() -> None:
    operator = VirtualOperator(
        VirtualCluster(replicas=3), worker_pool(**HASTY, drain={"timeoutSeconds": 60})
    )

    async def play() -> None:
        for _ in range(2):
            operator.cluster.settle()
        for pod in operator.cluster.pods.values():
            pod.is_mute = True
        await operator.run(200)

    asyncio.run(play())

    assert operator.cluster.replicas == 3


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_task_is_ever_ended_whatever_happens(data: st.DataObject) -> None:
    """Random load, lost replies, restarts and outages; at the end all work is done."""
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    trickle = data.draw(st.sampled_from([0.05, 0.3, 0.8]))
    runtimes_s = data.draw(st.sampled_from([(0.5, 5.0, 60.0), (1.0, 4.0), (3.0, 30.0)]))
    cluster = VirtualCluster(
        slots=data.draw(st.sampled_from([1, 3])),
        removal=data.draw(st.sampled_from(Removal)),
        loses_reply=lambda: rng.random() < 0.2,
    )
    operator = VirtualOperator(cluster, worker_pool(**HASTY, concurrency=cluster.slots))

    def arrivals() -> tuple[float, ...]:
        return (rng.choice(runtimes_s),) if rng.random() < trickle else ()

    async def play() -> None:
        for _ in range(12):
            cluster.trickle = rng.choice([tuple, arrivals])
            cluster.publish(*(rng.choice(runtimes_s) for _ in range(rng.choice([0, 0, 1, 20]))))
            await operator.run(rng.choice([1, 3, 10, 30]))
            event = rng.random()
            if event < 0.2:
                await operator.restart()
            elif event < 0.3:
                cluster.break_broker()
                await operator.run(rng.choice([2, 40]))
                cluster.mend_broker()
        cluster.trickle = tuple
        while cluster.tasks or cluster.running:
            await operator.run(20)
        await operator.run(150)

    asyncio.run(play())

    assert cluster.killed == []
    assert (cluster.ended, cluster.replicas) == (cluster.published, 0)
