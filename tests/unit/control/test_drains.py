"""Drains as a whole: which have ended, how, and how long they took."""

import pytest

from app.control.observe import observation
from app.control.observe.observation import Drains
from app.control.ports import DrainEnd, DrainMark, DrainOutcome, Instance, InstanceName, ScaleTarget
from app.scaling.replica_state import Removal

A, B = InstanceName("a"), InstanceName("b")


def target(*instances: Instance) -> ScaleTarget:
    return ScaleTarget(
        replicas=len(instances),
        ready_replicas=len(instances),
        removal=Removal.CHOSEN,
        instances=instances,
    )


def instance(name: InstanceName, *, since_s: float | None = None, ending: bool = False) -> Instance:
    mark = DrainMark(since_s=since_s) if since_s is not None else None
    return Instance(name=name, is_ready=True, mark=mark, is_ending=ending)


def end(outcome: DrainOutcome, duration_s: float) -> DrainEnd:
    return DrainEnd(replica=A, outcome=outcome, duration_s=duration_s)


@pytest.mark.parametrize(
    ("now", "want"),
    [
        pytest.param(target(instance(A, since_s=10.0)), (), id="it goes on"),
        pytest.param(target(), (end(DrainOutcome.REMOVED, 20.0),), id="it is gone"),
        pytest.param(
            target(instance(A, since_s=10.0, ending=True)),
            (end(DrainOutcome.REMOVED, 20.0),),
            id="it was told to go",
        ),
        pytest.param(target(instance(A)), (end(DrainOutcome.WOKEN, 20.0),), id="it consumes again"),
    ],
)
def test_how_a_drain_ends(now: ScaleTarget, want: tuple[DrainEnd, ...]) -> None:
    before: Drains = {A: 10.0}

    assert observation.ended_drains(before, now, now_s=30.0) == want


def test_what_drains_is_remembered_by_its_mark() -> None:
    now = target(instance(A, since_s=10.0), instance(B), instance(InstanceName("c"), ending=True))

    assert observation.current_drains(now) == {A: 10.0}


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    [found] = observation.ended_drains({A: 10.0}, target(), now_s=5.0)

    assert found.duration_s == 0.0
