"""What a drain does next, case by case."""

from dataclasses import replace

import pytest

from app.scaling import replica_state
from app.scaling.drain_plan import ScalePlan
from app.scaling.replica_state import DrainSettings, Replica, ReplicaAnswer
from tests.unit.scaling.builders import NOW_S, drained, planned, replica, unconfirmed


@pytest.mark.parametrize(
    ("replicas", "wanted", "want"),
    [
        pytest.param((), 5, ScalePlan(replicas=5), id="from zero in one write"),
        pytest.param((), 0, ScalePlan(replicas=0), id="nothing wanted, nothing there"),
        pytest.param((replica("a"),), 1, ScalePlan(replicas=1), id="all is as it should be"),
        pytest.param(
            (replica("a", active=1), replica("b"), replica("c", active=2)),
            2,
            ScalePlan(replicas=3, mark=("b",), stop=("b",)),
            id="the idlest is stopped first, and still there",
        ),
        pytest.param(
            (replica("a", active=3), replica("b", active=1), replica("c", active=2)),
            1,
            ScalePlan(replicas=3, mark=("b", "c"), stop=("b", "c")),
            id="where all are busy, those with the fewest tasks",
        ),
        pytest.param(
            (replica("a", started_at_s=NOW_S - 900.0), replica("b", started_at_s=NOW_S - 90.0)),
            1,
            ScalePlan(replicas=2, mark=("b",), stop=("b",)),
            id="of two idle ones the younger",
        ),
        pytest.param(
            (replica("a", active=1), replica("b", is_started=False, active=None)),
            1,
            ScalePlan(replicas=1, victims=("b",)),
            id="a pending one goes at once",
        ),
        pytest.param(
            (replica("a", active=1), drained("b")),
            1,
            ScalePlan(replicas=1, victims=("b",)),
            id="what is idle for certain goes",
        ),
        pytest.param(
            (replica("a", active=1), drained("b"), drained("c", active=1)),
            1,
            ScalePlan(replicas=2, victims=("b",)),
            id="while the others go on with their tasks",
        ),
        pytest.param(
            (replica("a", active=1), drained("b"), drained("c", active=2), drained("d", active=1)),
            3,
            ScalePlan(replicas=4, resume=("b", "d")),
            id="load comes back: those with the most free slots are woken, none is started",
        ),
        pytest.param(
            (replica("a"), drained("b")),
            4,
            ScalePlan(replicas=4, resume=("b",)),
            id="woken first, the rest is started",
        ),
        pytest.param(
            (replica("a"), drained("b", active=1, drained_since_s=NOW_S - 11.0)),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",), resume=("b",)),
            id="one with a long task changes places with one that has become idle",
        ),
        pytest.param(
            (replica("a"), drained("b", active=1, drained_since_s=NOW_S - 9.0)),
            1,
            ScalePlan(replicas=2),
            id="not at once: a short task will have ended",
        ),
        pytest.param(
            (
                replica("a"),
                replica("b", active=None, heartbeat_at_s=None, started_at_s=NOW_S - 2.0),
            ),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",)),
            id="one that is heard and idle goes before one that starts up",
        ),
        pytest.param(
            (
                replica("a", active=1),
                replica("b", active=None, heartbeat_at_s=None, started_at_s=NOW_S - 2.0),
            ),
            1,
            ScalePlan(replicas=2, mark=("b",)),
            id="one that starts up is marked, and stopped when it is heard",
        ),
        pytest.param(
            (replica("a", active=9), replica("b", active=None, heartbeat_at_s=NOW_S - 300.0)),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",)),
            id="one that has fallen silent may be busy: it goes last",
        ),
        pytest.param(
            (replica("a"), replica("b", heartbeat_at_s=NOW_S - 6.0, started_at_s=NOW_S - 90.0)),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",)),
            id="one that has missed heartbeats may be busy, whatever the last one said",
        ),
        pytest.param(
            (
                replica("a", heartbeat_at_s=NOW_S - 20.0),
                replica("b", heartbeat_at_s=NOW_S - 21.0, started_at_s=NOW_S - 90.0),
            ),
            1,
            ScalePlan(replicas=2, mark=("b",), stop=("b",)),
            id="where none is heard, silence tells nothing",
        ),
        pytest.param(
            (replica("a", active=1), replica("b", heartbeat_at_s=NOW_S - 6.0)),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",)),
            id="one that is heard can at least be told to stop",
        ),
        pytest.param(
            (replica("a"), unconfirmed("b")),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",), resume=("b",)),
            id="one that does not hear that it is to stop changes places with an idle one",
        ),
        pytest.param(
            (replica("a", active=1), unconfirmed("b")),
            1,
            ScalePlan(replicas=2),
            id="not with a busy one",
        ),
        pytest.param(
            (replica("a"), drained("b", stopped_at_s=NOW_S - 9.0, heartbeat_at_s=NOW_S - 6.0)),
            1,
            ScalePlan(replicas=1, victims=("b",)),
            id="one that has confirmed and has said that it is idle goes",
        ),
        pytest.param(
            (drained("a"), unconfirmed("b"), replica("c")),
            2,
            ScalePlan(replicas=2, victims=("a",), resume=("b",)),
            id="load comes back: the idle one is gone already",
        ),
        pytest.param(
            (drained("a", answer=None), unconfirmed("b")),
            1,
            ScalePlan(replicas=2, ask=("a",), resume=("b",)),
            id="and it does not change back",
        ),
        pytest.param(
            (
                replica("a"),
                unconfirmed("b", active=None, heartbeat_at_s=NOW_S - 60.0, stop_tried_at_s=None),
            ),
            1,
            ScalePlan(replicas=2, mark=("a",), stop=("a",), resume=("b",)),
            id="nor does one that was silent when it was marked",
        ),
        pytest.param(
            (unconfirmed("b", active=None, heartbeat_at_s=NOW_S - 300.0),),
            1,
            ScalePlan(replicas=1, resume=("b",)),
            id="one that never heard the stop needs no other in its place",
        ),
    ],
)
def test_a_plan_ends_no_task(replicas: tuple[Replica, ...], wanted: int, want: ScalePlan) -> None:
    assert planned(*replicas, wanted=wanted) == want


GONE = drained("b")


@pytest.mark.parametrize(
    ("going", "want"),
    [
        pytest.param(GONE, ScalePlan(replicas=1, victims=("b",)), id="it may go"),
        pytest.param(
            replace(GONE, heartbeat_at_s=GONE.stopped_at_s),
            ScalePlan(replicas=2),
            id="not before a heartbeat that is younger than the stop",
        ),
        pytest.param(
            replace(GONE, answer=None),
            ScalePlan(replicas=2, ask=("b",)),
            id="it has to say so itself",
        ),
        pytest.param(
            replace(GONE, answer=None, stopped_at_s=NOW_S - 1.0),
            ScalePlan(replicas=2),
            id="and is asked only when a fetch under way has arrived",
        ),
        pytest.param(
            replace(GONE, answer=None, ask_tried_at_s=NOW_S - 1.0),
            ScalePlan(replicas=2),
            id="not twice in a second",
        ),
        pytest.param(
            replace(GONE, answer=ReplicaAnswer(at_s=NOW_S - 1.0, held=1, is_consuming=False)),
            ScalePlan(replicas=2, ask=("b",)),
            id="a message in its hands is a task to come",
        ),
        pytest.param(
            replace(GONE, answer=ReplicaAnswer(at_s=NOW_S - 4.0, held=0, is_consuming=False)),
            ScalePlan(replicas=2, ask=("b",)),
            id="an answer from before the fetch could arrive does not count",
        ),
        pytest.param(
            replace(
                GONE,
                stopped_at_s=NOW_S - 90.0,
                answer=ReplicaAnswer(at_s=NOW_S - 11.0, held=0, is_consuming=False),
            ),
            ScalePlan(replicas=2, ask=("b",)),
            id="nor does one that is old",
        ),
        pytest.param(
            replace(GONE, answer=ReplicaAnswer(at_s=NOW_S - 1.0, held=0, is_consuming=True)),
            ScalePlan(replicas=2, stop=("b",), ask=("b",)),
            id="one that consumes again is stopped again",
        ),
        pytest.param(
            replace(GONE, stopped_at_s=None, stop_tried_at_s=NOW_S - 5.0),
            ScalePlan(replicas=2, stop=("b",)),
            id="one that did not confirm is told again after a while",
        ),
        pytest.param(
            replace(GONE, stopped_at_s=None, stop_tried_at_s=NOW_S - 4.0),
            ScalePlan(replicas=2),
            id="but not at once",
        ),
        pytest.param(
            replace(GONE, stopped_at_s=None, stop_tried_at_s=None, answer=None),
            ScalePlan(replicas=2, stop=("b",)),
            id="after a restart the mark is all there is: told again",
        ),
        pytest.param(
            replace(GONE, active=None), ScalePlan(replicas=2), id="one that fell silent stays"
        ),
        pytest.param(replace(GONE, active=1), ScalePlan(replicas=2), id="one that is busy stays"),
        pytest.param(
            replace(GONE, active=1, drained_since_s=NOW_S - 3601.0),
            ScalePlan(replicas=2, overdue=("b",)),
            id="also when it takes long",
        ),
        pytest.param(
            replace(GONE, answer=None, drained_since_s=NOW_S - 3601.0),
            ScalePlan(replicas=1, victims=("b",)),
            id="one that never answers goes after the timeout if its heartbeats are idle",
        ),
        pytest.param(
            replace(GONE, active=None, drained_since_s=NOW_S - 3601.0),
            ScalePlan(replicas=2, overdue=("b",)),
            id="not if it is not even heard",
        ),
    ],
)
def test_a_replica_goes_when_it_is_idle_for_certain(going: Replica, want: ScalePlan) -> None:
    assert planned(replica("a", active=1), going, wanted=1) == want


def test_an_owner_may_let_busy_replicas_go_after_the_timeout() -> None:
    impatient = DrainSettings(timeout_s=60.0, ends_busy=True)
    late = drained("b", active=1, drained_since_s=NOW_S - 61.0)

    got = planned(replica("a", active=2), late, wanted=1, policy=impatient)

    assert got == ScalePlan(replicas=1, victims=("b",))


@pytest.mark.parametrize(
    ("one", "want"),
    [
        pytest.param(replica(is_started=False), True, id="pending"),
        pytest.param(replica(is_ready=False, heartbeat_at_s=None), True, id="never came up"),
        pytest.param(
            replica(is_ready=False, heartbeat_at_s=None, started_at_s=NOW_S - 59.0),
            False,
            id="young",
        ),
        pytest.param(
            replica(is_ready=False, heartbeat_at_s=None, started_at_s=None), False, id="age unknown"
        ),
        pytest.param(replica(is_ready=False), False, id="heard once: it may be busy"),
        pytest.param(replica(heartbeat_at_s=None), False, id="ready: it may be busy"),
    ],
)
def test_only_what_never_ran_is_unborn(one: Replica, *, want: bool) -> None:
    assert replica_state.cannot_hold_tasks(one, now_s=NOW_S) is want


def test_a_crew_counts_who_takes_work() -> None:
    there = replica_state.build_replica_group((replica("a"), drained("b")), target_replicas=4)

    assert (there.consuming, there.missing) == (3, 2)
