"""Drains of targets that choose their victims themselves, and scaling without a drain."""

import pytest

from app.scaling.drain_plan import ScalePlan
from app.scaling.replica_state import DrainSettings, Removal, Replica
from tests.unit.scaling.builders import drained, planned, replica


@pytest.mark.parametrize(
    ("replicas", "wanted", "want"),
    [
        pytest.param(
            (replica("w-0", ordinal=0), replica("w-1", ordinal=1, active=1)),
            1,
            ScalePlan(replicas=2, mark=("w-1",), stop=("w-1",)),
            id="the highest ordinal drains, busy or not",
        ),
        pytest.param(
            (replica("w-0", ordinal=0), drained("w-1", ordinal=1), drained("w-2", ordinal=2)),
            1,
            ScalePlan(replicas=1, victims=("w-1", "w-2")),
            id="from the top down",
        ),
        pytest.param(
            (
                replica("w-0", ordinal=0),
                drained("w-1", ordinal=1),
                drained("w-2", ordinal=2, active=1),
                drained("w-3", ordinal=3),
            ),
            1,
            ScalePlan(replicas=3, victims=("w-3",)),
            id="an idle one waits for the busy one above it",
        ),
        pytest.param(
            (drained("w-0", ordinal=0), replica("w-1", ordinal=1)),
            1,
            ScalePlan(replicas=2, mark=("w-1",), stop=("w-1",), resume=("w-0",)),
            id="a low one that drains for another reason is woken",
        ),
    ],
)
def test_a_stateful_set_loses_its_highest_ordinals(
    replicas: tuple[Replica, ...], wanted: int, want: ScalePlan
) -> None:
    assert planned(*replicas, wanted=wanted, removal=Removal.HIGHEST_ORDINAL) == want


def test_a_missing_ordinal_in_the_middle_does_not_cost_a_busy_one_above_it() -> None:
    there = (replica("w-0", ordinal=0), drained("w-2", ordinal=2, active=1))

    got = planned(*there, target=3, wanted=1, removal=Removal.HIGHEST_ORDINAL)

    assert got == ScalePlan(replicas=3)


@pytest.mark.parametrize(
    ("replicas", "wanted", "want"),
    [
        pytest.param(
            (replica("a"), replica("b")),
            1,
            ScalePlan(replicas=2, is_blocked=True),
            id="nobody can tell which would go, so none goes",
        ),
        pytest.param(
            (replica("a"), replica("b", active=1)),
            0,
            ScalePlan(replicas=2, mark=("a", "b"), stop=("a", "b")),
            id="to zero all drain",
        ),
        pytest.param(
            (drained("a"), drained("b", active=1)),
            0,
            ScalePlan(replicas=2),
            id="until all are idle",
        ),
        pytest.param(
            (drained("a"), drained("b")),
            0,
            ScalePlan(replicas=0, victims=("a", "b")),
            id="then all go in one write",
        ),
        pytest.param(
            (drained("a"), drained("b")),
            1,
            ScalePlan(replicas=2, resume=("a", "b"), is_blocked=True),
        ),
    ],
)
def test_a_target_with_unknown_victims_shrinks_to_zero_only(
    replicas: tuple[Replica, ...], wanted: int, want: ScalePlan
) -> None:
    assert planned(*replicas, wanted=wanted, removal=Removal.ANY) == want


@pytest.mark.parametrize(
    ("replicas", "target", "wanted", "want"),
    [
        pytest.param(
            (replica("a", active=1), replica("b", active=1)),
            4,
            2,
            ScalePlan(replicas=2),
            id="those that never came up are not missed",
        ),
        pytest.param(
            (replica("a", active=1), drained("b")),
            4,
            2,
            ScalePlan(replicas=2, resume=("b",)),
            id="one that runs is woken in place of one that does not exist yet",
        ),
        pytest.param(
            (replica("a"), drained("b"), drained("c")),
            2,
            2,
            ScalePlan(replicas=2, resume=("c",)),
            id="a marked one beyond the target is on its way out already",
        ),
        pytest.param(
            (replica("a"), replica("b"), replica("c")),
            2,
            2,
            ScalePlan(replicas=2),
            id="a surge pod of a rollout is none of ours",
        ),
    ],
)
def test_a_plan_copes_with_a_target_that_is_on_its_way(
    replicas: tuple[Replica, ...], target: int, wanted: int, want: ScalePlan
) -> None:
    assert planned(*replicas, target=target, wanted=wanted) == want


def test_draining_replicas_that_cannot_be_woken_are_replaced_within_the_maximum() -> None:
    stuck = drained("b", active=None)

    assert planned(replica("a"), stuck, wanted=2, most=10) == ScalePlan(replicas=3)
    assert planned(replica("a"), stuck, wanted=2, most=2) == ScalePlan(replicas=2)


def test_a_stuck_ordinal_is_replaced_by_the_next_one() -> None:
    there = (drained("w-0", ordinal=0, active=None), replica("w-1", ordinal=1))

    got = planned(*there, wanted=1, removal=Removal.HIGHEST_ORDINAL)

    assert got == ScalePlan(replicas=2)


def test_without_a_drain_the_scale_is_written_at_once() -> None:
    there = (replica("a", active=1), replica("b"), drained("c", active=1))

    got = planned(*there, wanted=1, policy=DrainSettings(is_idle_first=False))

    assert got == ScalePlan(replicas=1, victims=("c", "b"))


def test_without_a_drain_marked_replicas_are_woken() -> None:
    there = (replica("a", active=1), drained("c", active=1))

    got = planned(*there, wanted=3, policy=DrainSettings(is_idle_first=False))

    assert got == ScalePlan(replicas=3, resume=("c",))
