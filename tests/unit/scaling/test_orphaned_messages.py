"""Messages that nobody alive holds."""

import pytest

from app.scaling import demand
from app.scaling.demand import ORPHAN_SPAN_S, OrphanedMessages

TICK_S = 2.0


def after(counts: list[int], *, has_idle_slots: bool = True) -> OrphanedMessages:
    memory = OrphanedMessages()
    for index, count in enumerate(counts):
        memory = demand.with_orphaned(
            memory, not_running=count, has_idle_slots=has_idle_slots, now_s=index * TICK_S
        )
    return memory


TICKS_A_SPAN = int(ORPHAN_SPAN_S / TICK_S)


@pytest.mark.parametrize(
    ("counts", "want"),
    [
        pytest.param([7] * (TICKS_A_SPAN - 1), 0, id="not before a whole span"),
        pytest.param([7] * (2 * TICKS_A_SPAN), 7, id="what never goes away"),
        pytest.param([9, 7] * (2 * TICKS_A_SPAN), 7, id="the least of it, while others flow"),
        pytest.param([7] * 2 * TICKS_A_SPAN + [2], 2, id="fewer at once"),
        pytest.param([7] * 2 * TICKS_A_SPAN + [0], 0, id="none when it has gone"),
    ],
)
def test_messages_are_abandoned_when_they_never_go_away(counts: list[int], want: int) -> None:
    assert after(counts).messages == want


def test_messages_behind_busy_workers_are_prefetched_not_abandoned() -> None:
    assert after([7] * (4 * TICKS_A_SPAN), has_idle_slots=False).messages == 0
