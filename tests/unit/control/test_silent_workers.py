"""Workers that are silent while they run a task, as those of a solo pool are."""

import asyncio

import pytest

from tests.unit.control.builders import worker_pool
from tests.unit.control.stage import Stage
from tests.unit.control.world import Pod, World

QUICK = {"scaleDown": {"stabilizationWindowSeconds": 0}}


def with_two_tasks(*, long_first: bool, short_s: float) -> tuple[Stage, Pod]:
    """Two solo workers, one of which runs a task of 300 s; that one is returned."""
    pool = worker_pool(maxReplicas=2, cooldownPeriodSeconds=0, behavior=QUICK)
    stage = Stage(World(is_solo=True), pool)
    stage.world.publish(*((300.0, short_s) if long_first else (short_s, 300.0)))
    asyncio.run(stage.run(5))
    (busy,) = [
        pod for pod in stage.world.pods.values() if sum(pod.ends_at_s) > stage.world.now_s + 200
    ]
    return stage, busy


@pytest.mark.parametrize("long_first", [True, False])
@pytest.mark.parametrize("short_s", [4.0, 12.0, 60.0])
def test_a_pool_shrinks_while_a_silent_worker_runs_a_long_task(
    *, long_first: bool, short_s: float
) -> None:
    """Issue 9: its last heartbeat says that it is idle. It was chosen in place of the idle one, and
    the pool stayed as it was until its task had ended."""
    stage, busy = with_two_tasks(long_first=long_first, short_s=short_s)

    asyncio.run(stage.run(short_s + 25))
    assert list(stage.world.pods.values()) == [busy]
    sizes = len(stage.world.sizes)
    asyncio.run(stage.run(150))
    assert len(stage.world.sizes) == sizes, "it stays at one replica"

    asyncio.run(stage.run(200))
    assert (stage.world.replicas, stage.world.ended) == (0, 2)
    assert stage.world.killed == []


def test_a_silent_worker_that_was_told_to_stop_changes_places_and_is_woken_at_its_end() -> None:
    pool = worker_pool(minReplicas=2, maxReplicas=2, cooldownPeriodSeconds=0, behavior=QUICK)
    stage = Stage(World(is_solo=True, replicas=2), pool)
    stage.world.settle()
    asyncio.run(stage.run(10))
    idle, chosen = stage.world.pods.values()
    chosen.up_at_s += 0.5  # the younger one

    stage.world.advance(0.5)
    chosen.ends_at_s = [stage.world.now_s + 200.0]
    stage.change(min_replicas=1)
    asyncio.run(stage.run(1))
    assert (idle.mark, chosen.mark is not None) == (None, True)

    asyncio.run(stage.run(20))
    assert list(stage.world.pods.values()) == [chosen]
    asyncio.run(stage.run(150))
    assert [size for _, size in stage.world.sizes] == [1], "no other one is started for it"

    asyncio.run(stage.run(60))
    assert (chosen.mark, chosen.is_consuming) == (None, True)
    assert stage.world.killed == []
