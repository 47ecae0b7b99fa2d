"""A scale that failed: when it is tried again, and when its owner is told."""

from functools import reduce

import pytest

from app.control.decide import pool_memory
from app.control.decide.pool_memory import ScaleAttempt, ScaleRefusal
from app.control.pool.problems import PoolProblem, ProblemReason

REFUSED = PoolProblem(ProblemReason.SCALE_REFUSED, "no more than 4")
LOST = PoolProblem(ProblemReason.SCALE_CONFLICT, "another client was faster")
AWAY = PoolProblem(ProblemReason.TARGET_UNREACHABLE, "no answer")


def attempt(was: int = 2, replicas: int = 6, *, generation: int = 1) -> ScaleAttempt:
    return ScaleAttempt(generation=generation, was=was, replicas=replicas)


def failed(problem: PoolProblem, *at_s: float) -> ScaleRefusal:
    """What is remembered after attempts at these moments."""
    found = reduce(
        lambda before, now_s: pool_memory.with_failure(before, attempt(), problem, now_s=now_s),
        at_s,
        None,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("problem", "tries", "want"),
    [
        pytest.param(REFUSED, 1, 2.0, id="a refusal waits"),
        pytest.param(REFUSED, 3, 8.0, id="ever longer"),
        pytest.param(REFUSED, 20, 60.0, id="but not for ever"),
        pytest.param(AWAY, 20, 0.0, id="an outage may end at any moment"),
        pytest.param(LOST, 20, 0.0, id="a lost race is run again"),
    ],
)
def test_a_refused_size_is_tried_ever_more_seldom(
    problem: PoolProblem, tries: int, want: float
) -> None:
    found = failed(problem, *(100.0 * number for number in range(tries)))

    assert found.pause_s == want
    assert found.again_at_s == 100.0 * (tries - 1) + want


def test_another_problem_begins_anew() -> None:
    before = failed(REFUSED, 0, 10, 20)

    found = pool_memory.with_failure(before, attempt(), AWAY, now_s=30)

    assert (found.since_s, found.pause_s) == (30, 0)


@pytest.mark.parametrize(
    ("wanted", "now_s", "want"),
    [
        pytest.param(attempt(), 11.0, True, id="the same at once"),
        pytest.param(attempt(), 12.0, False, id="the same later"),
        pytest.param(attempt(replicas=9), 11.0, True, id="even more"),
        pytest.param(attempt(replicas=4), 11.0, False, id="a smaller step may be allowed"),
        pytest.param(attempt(replicas=1), 11.0, False, id="the other direction"),
        pytest.param(attempt(was=3), 11.0, False, id="from another size"),
        pytest.param(attempt(generation=2), 11.0, False, id="by another spec"),
        pytest.param(attempt(replicas=2), 11.0, False, id="no change"),
    ],
)
def test_only_a_repeat_is_held_back(wanted: ScaleAttempt, now_s: float, *, want: bool) -> None:
    assert pool_memory.is_repeat(failed(REFUSED, 10.0), wanted, now_s=now_s) is want


@pytest.mark.parametrize(
    ("found", "now_s", "want"),
    [
        pytest.param(None, 0.0, None, id="nothing has failed"),
        pytest.param(failed(REFUSED, 0.0), 0.0, REFUSED, id="a refusal, at once"),
        pytest.param(failed(AWAY, 0.0), 0.0, AWAY, id="an outage, at once"),
        pytest.param(failed(LOST, 0.0), 1.0, None, id="a race that was lost once is no trouble"),
        pytest.param(failed(LOST, 0.0, 30.0), 30.0, LOST, id="lost over and over"),
    ],
)
def test_what_its_owner_is_told(
    found: ScaleRefusal | None, now_s: float, want: PoolProblem | None
) -> None:
    assert pool_memory.problem_to_report(found, now_s=now_s) is want
