"""A scale that failed: how soon it is tried again, and from when on its owner is told. Pure."""

from dataclasses import dataclass

from app.control.pool.problems import PoolProblem, ProblemReason

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
"""A refused size is tried again ever more seldom: most policies and Roles stay as they are, and a
thousand pools that are refused each two seconds would be a load."""
CONFLICT_TOLD_AFTER_S = 30.0
"""Losing a race once is no trouble. What is lost over and over is not a race."""

_PAUSED = {ProblemReason.SCALE_REFUSED, ProblemReason.TARGET_FORBIDDEN}
"""Refusals of the API server; whatever else fails may work at the next tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleAttempt:
    """A change of a target's size that a turn wants to make."""

    generation: int
    """Of the pool: a changed spec is a new try."""
    was: int
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRefusal:
    """The last attempt has failed."""

    attempt: ScaleAttempt
    problem: PoolProblem
    since_s: float
    """When the first of these attempts failed."""
    pause_s: float
    again_at_s: float


def refusal(
    before: ScaleRefusal | None, attempt: ScaleAttempt, problem: PoolProblem, *, now_s: float
) -> ScaleRefusal:
    """What to remember of a failed attempt."""
    first = before if before is not None and before.problem.reason is problem.reason else None
    pause_s = 0.0
    if problem.reason in _PAUSED:
        pause_s = FIRST_PAUSE_S if first is None else min(2 * first.pause_s, LONGEST_PAUSE_S)
    return ScaleRefusal(
        attempt=attempt,
        problem=problem,
        since_s=now_s if first is None else first.since_s,
        pause_s=pause_s,
        again_at_s=now_s + pause_s,
    )


def holds(before: ScaleRefusal | None, attempt: ScaleAttempt, *, now_s: float) -> bool:
    """Whether an attempt would only repeat one that was refused a moment ago.

    A smaller step in the same direction may be allowed, and so may one from another size.
    """
    if before is None or now_s >= before.again_at_s or attempt.replicas == attempt.was:
        return False
    last = before.attempt
    if (last.generation, last.was) != (attempt.generation, attempt.was):
        return False
    if last.replicas < last.was:
        return attempt.replicas <= last.replicas
    return attempt.replicas >= last.replicas > last.was


def told(found: ScaleRefusal | None, *, now_s: float) -> PoolProblem | None:
    """The problem to report, if any."""
    if found is None:
        return None
    is_race = found.problem.reason is ProblemReason.SCALE_CONFLICT
    if is_race and now_s - found.since_s < CONFLICT_TOLD_AFTER_S:
        return None
    return found.problem
