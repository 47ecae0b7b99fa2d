"""Replicas that consume nothing, or hang at their start, do not count as capacity."""

from typing import Any

import pytest

from app.scaling import replica_state
from app.scaling.drain_plan import ScalePlan
from app.scaling.replica_state import Removal, Replica
from tests.unit.scaling.builders import NOW_S, drained, planned, replica


def lost(name: str, **known: Any) -> Replica:  # Any: as in the builders
    """It runs, and was seen to consume nothing for a while."""
    return replica(name, consumes_nothing=True, **known)


@pytest.mark.parametrize(
    ("replicas", "wanted", "most", "want"),
    [
        pytest.param(
            (lost("a"), replica("b")),
            2,
            5,
            ScalePlan(replicas=3, mark=("a",), stop=("a",)),
            id="another one is started beside it, and it drains",
        ),
        pytest.param(
            (drained("a"), replica("b")),
            2,
            5,
            ScalePlan(replicas=2, resume=("a",)),
            id="one that drains and has not lost its consumers is woken",
        ),
        pytest.param(
            (drained("a", consumes_nothing=True), replica("b")),
            2,
            2,
            ScalePlan(replicas=1, victims=("a",)),
            id="at the maximum it goes first, and is replaced then",
        ),
        pytest.param(
            (replica("b"), lost("a", active=1), replica("c")),
            1,
            5,
            ScalePlan(replicas=3, mark=("a", "b"), stop=("a", "b")),
            id="it is the first to go, busy or not",
        ),
    ],
)
def test_a_replica_that_has_lost_its_consumers_is_replaced(
    replicas: tuple[Replica, ...], wanted: int, most: int, want: ScalePlan
) -> None:
    assert planned(*replicas, wanted=wanted, most=most) == want


def test_a_stateful_set_grows_around_a_replica_that_has_lost_its_consumers() -> None:
    """It removes the highest ordinals only, so the lost one stays and does not count."""
    replicas = (lost("w-0", ordinal=0), replica("w-1", ordinal=1))

    assert replica_state.build_replica_group(replicas, target_replicas=2).consuming == 1
    assert planned(*replicas, wanted=2, removal=Removal.HIGHEST_ORDINAL) == ScalePlan(replicas=3)


def hung(name: str, **known: Any) -> Replica:  # Any: as above
    """It has started and was never heard, in a time in which others were."""
    return replica(name, active=None, heartbeat_at_s=None, is_hung=True, **known)


@pytest.mark.parametrize(
    ("replicas", "wanted", "want"),
    [
        pytest.param(
            (hung("a"), replica("b")),
            2,
            ScalePlan(replicas=3),
            id="another one is started in its place",
        ),
        pytest.param(
            (hung("a"), replica("b"), replica("c", active=None, heartbeat_at_s=None)),
            2,
            ScalePlan(replicas=3),
            id="the other one is not up yet: both may be slow",
        ),
        pytest.param(
            (hung("a"), replica("b"), replica("c")),
            2,
            ScalePlan(replicas=2, victims=("a",)),
            id="enough others are up: it goes at once",
        ),
        pytest.param(
            (hung("a"), replica("b", active=1), replica("c", active=1)),
            1,
            ScalePlan(replicas=2, victims=("a",), mark=("b",), stop=("b",)),
            id="no drain waits for it",
        ),
        pytest.param(
            (hung("a"),), 0, ScalePlan(replicas=0, victims=("a",)), id="nothing is wanted: it goes"
        ),
    ],
)
def test_a_replica_that_hangs_at_its_start_is_no_capacity_and_in_nobodys_way(
    replicas: tuple[Replica, ...], wanted: int, want: ScalePlan
) -> None:
    assert planned(*replicas, wanted=wanted) == want


def test_slow_replicas_are_not_removed_by_turns() -> None:
    """With each one gone at its limit and its successor as slow, none would ever come up."""
    slow = (hung("a"), replica("b", active=None, heartbeat_at_s=None, started_at_s=NOW_S - 5.0))

    found = planned(*slow, wanted=1)

    assert (found.victims, found.replicas) == ((), 2)
    up = (replica("a"), slow[1])
    assert planned(*up, wanted=1).victims == ()


def test_a_stateful_set_grows_around_a_replica_that_hangs() -> None:
    replicas = (hung("w-0", ordinal=0), replica("w-1", ordinal=1))
    assert planned(*replicas, wanted=2, removal=Removal.HIGHEST_ORDINAL) == ScalePlan(replicas=3)
