"""What the loop remembers of a pool between two reconciles. Frozen: each returns the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.control.observe.broker_view import LastActive
from app.control.observe.consumption import Consumption
from app.control.observe.observation import Drains, DrainStates
from app.control.observe.worker_queries import KnownSlots
from app.control.pool.problems import Finding, PoolProblem, ProblemReason
from app.control.pool.status import PoolStatus
from app.control.ports import DrainEnd
from app.scaling.situation import SizingMemory

SentEvents = Mapping[tuple[str, str], float]
"""When events were last sent, by reason and message."""


FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
"""The pauses grow: most policies and Roles do not change, and a thousand pools that are refused
every two seconds would be a load."""
CONFLICT_REPORTED_AFTER_S = 30.0
"""A single conflict with another client is normal, repeated ones are reported."""

_BACKED_OFF = {ProblemReason.SCALE_REFUSED, ProblemReason.TARGET_FORBIDDEN}
"""Refusals of the API server. Other failures are retried at the next tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleAttempt:
    """A change of a target's size that a reconcile is about to write."""

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


def with_failure(
    before: ScaleRefusal | None, attempt: ScaleAttempt, problem: PoolProblem, *, now_s: float
) -> ScaleRefusal:
    """What to remember of a failed attempt."""
    first = before if before is not None and before.problem.reason is problem.reason else None
    pause_s = 0.0
    if problem.reason in _BACKED_OFF:
        pause_s = FIRST_PAUSE_S if first is None else min(2 * first.pause_s, LONGEST_PAUSE_S)
    return ScaleRefusal(
        attempt=attempt,
        problem=problem,
        since_s=now_s if first is None else first.since_s,
        pause_s=pause_s,
        again_at_s=now_s + pause_s,
    )


def is_repeat(before: ScaleRefusal | None, attempt: ScaleAttempt, *, now_s: float) -> bool:
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


def problem_to_report(found: ScaleRefusal | None, *, now_s: float) -> PoolProblem | None:
    """The problem to report, if any."""
    if found is None:
        return None
    is_race = found.problem.reason is ProblemReason.SCALE_CONFLICT
    if is_race and now_s - found.since_s < CONFLICT_REPORTED_AFTER_S:
        return None
    return found.problem


DEBOUNCE_POLL_S = 0.2
DEBOUNCE_LIMIT_S = 1.0
"""A queue that keeps growing is answered after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """A first write that waits until the queue stops growing."""

    since_s: float
    ready: int
    """Messages at the last reconcile."""


def debounce(
    before: Debounce | None, *, replicas: int, planned: int, ready: int | None, now_s: float
) -> Debounce | None:
    """The state of the wait at a pool without replicas; `None` if the write may go out.

    A publisher needs some 100 ms for 40 messages: the burst is answered in one write.

    >>> first = debounce(None, replicas=0, planned=11, ready=11, now_s=10.0)
    >>> grown = debounce(first, replicas=0, planned=32, ready=40, now_s=10.2)
    >>> debounce(grown, replicas=0, planned=32, ready=40, now_s=10.4) is None
    True
    """
    if replicas > 0 or planned == 0 or not ready:
        return None
    if before is None:
        return Debounce(since_s=now_s, ready=ready)
    if ready > before.ready and now_s - before.since_s < DEBOUNCE_LIMIT_S:
        return replace(before, ready=ready)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMemory:
    """All of it may be lost: a restarted loop finds the drain marks at the replicas."""

    scaling: SizingMemory = field(default_factory=SizingMemory)
    drain_states: DrainStates = field(default_factory=dict)
    consumption: Consumption = field(default_factory=Consumption)
    last_active: LastActive = field(default_factory=dict)
    startup_s: float | None = None
    """The longest time from a start to a first heartbeat that was seen."""
    slots: KnownSlots = field(default_factory=KnownSlots)
    debounce: Debounce | None = None
    refusal: ScaleRefusal | None = None
    draining: Drains = field(default_factory=dict)
    drains_ended: tuple[DrainEnd, ...] = ()
    """Since the reconcile before."""
    last_scale_at_s: float | None = None
    status: PoolStatus | None = None
    findings: tuple[Finding, ...] = ()
    """What was found wrong the last time."""
    written: PoolStatus | None = None
    """The last status that was written, and when."""
    written_at_s: float = 0.0
    sent_events: SentEvents = field(default_factory=dict[tuple[str, str], float])

    @property
    def is_draining(self) -> bool:
        """Whether replicas are on their way out, as far as is known."""
        return self.status is not None and (self.status.draining_replicas or 0) > 0


FRESH = PoolMemory()
