"""A pool at zero waits for the rest of a burst, and not for long."""

import asyncio

import pytest

from app.control.decide import pool_memory
from app.control.decide.pool_memory import Debounce
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator

HELD = Debounce(since_s=10.0, ready=11)


@pytest.mark.parametrize(
    ("before", "replicas", "ready", "now_s", "want"),
    [
        pytest.param(None, 0, 11, 10.0, HELD, id="the first look holds the write back"),
        pytest.param(HELD, 0, 40, 10.2, Debounce(since_s=10.0, ready=40), id="more has come in"),
        pytest.param(HELD, 0, 11, 10.2, None, id="no more has come in"),
        pytest.param(HELD, 0, 5, 10.2, None, id="somebody takes it away"),
        pytest.param(HELD, 0, 99, 11.0, None, id="it grows for ever"),
        pytest.param(None, 1, 11, 10.0, None, id="a pool that has replicas answers at once"),
        pytest.param(None, 0, 0, 10.0, None, id="replicas are wanted for another reason"),
        pytest.param(None, 0, None, 10.0, None, id="nothing is known of the queue"),
    ],
)
def test_a_write_is_held_back_while_a_burst_comes_in(
    before: Debounce | None, replicas: int, ready: int | None, now_s: float, want: Debounce | None
) -> None:
    got = pool_memory.debounce(before, replicas=replicas, planned=32, ready=ready, now_s=now_s)
    assert got == want


def test_a_pool_that_shall_stay_at_zero_holds_nothing_back() -> None:
    assert pool_memory.debounce(None, replicas=0, planned=0, ready=3, now_s=10.0) is None


def test_a_burst_that_is_seen_half_way_is_answered_in_one_write() -> None:
    operator = VirtualOperator(
        VirtualCluster(), worker_pool(maxReplicas=32, pollingIntervalSeconds=1)
    )

    async def play() -> None:
        await operator.run(3)
        operator.cluster.publish(*[60.0] * 11)
        await operator.loop.tick()
        operator.cluster.publish(*[60.0] * 29)
        for _ in range(3):
            operator.cluster.advance(pool_memory.DEBOUNCE_POLL_S)
            await operator.loop.tick()

    asyncio.run(play())

    assert [size for _, size in operator.cluster.sizes] == [32]
