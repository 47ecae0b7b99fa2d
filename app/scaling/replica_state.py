"""The replicas of a pool as a drain sees them, and what can be said of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FETCH_LIMIT_S = 1.5
"""A fetch that was under way when a consumer was cancelled has arrived by then (BRPOP: 1 s)."""
STARTUP_TIMEOUT_S = 60.0
"""A worker that is not ready and has sent no heartbeat after this holds nothing."""
STOP_AGAIN_S = 5.0
"""A stop that was not confirmed is repeated after this."""
ASK_AGAIN_S = 2.0
"""A worker is asked no more often than this."""
MISSED_S = 5.0
"""Heartbeats come every 2 s. A worker that is this far behind the last one of its pool has missed
some: in a pool that cannot send any while it works (solo), it is busy."""
ANSWER_HOLDS_S = 10.0
"""An answer is believed for this long: the worker's process may restart, and consume again."""


class Removal(StrEnum):
    """Which replicas go when a target is made smaller."""

    CHOSEN = "chosen"
    """The ones we name (pods of a ReplicaSet, local processes)."""
    HIGHEST_ORDINAL = "highest-ordinal"
    """A StatefulSet."""
    ANY = "any"
    """Unknown, so it shrinks to zero only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainSettings:
    """How replicas are taken away."""

    is_idle_first: bool = True
    """Else the scale is written at once, and SIGTERM does the rest."""
    timeout_s: float = 3600.0
    ends_busy: bool = False
    """Whether a replica that is busy even after the timeout goes all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaAnswer:
    """What the workers of a replica said when they were asked."""

    at_s: float
    held: int
    """Tasks running and reserved; ETA tasks return to the queue and do not count."""
    is_consuming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica, as far as its going is concerned."""

    name: str
    is_ready: bool = True
    is_started: bool = True
    started_at_s: float | None = None
    ordinal: int | None = None
    """Its place in a StatefulSet, counted from 0."""
    active: int | None = None
    """Tasks by its last heartbeat; `None` when there was none lately."""
    heartbeat_at_s: float | None = None
    """Its last heartbeat, however old."""
    drained_since_s: float | None = None
    """Its mark."""
    stopped_at_s: float | None = None
    """When it confirmed that it consumes nothing."""
    was_stopped: bool = False
    """It has confirmed a stop since it was marked, perhaps before a resume."""
    stop_tried_at_s: float | None = None
    ask_tried_at_s: float | None = None
    answer: ReplicaAnswer | None = None
    consumes_nothing: bool = False
    """It runs and has consumed nothing for a while: it is not capacity."""
    is_hung: bool = False
    """It has started and sent no heartbeat in a time in which others did: it holds nothing and is
    not capacity."""

    @property
    def is_draining(self) -> bool:
        return self.drained_since_s is not None

    @property
    def is_reachable(self) -> bool:
        """Whether its workers can be reached by remote control."""
        return self.active is not None

    @property
    def is_stop_pending(self) -> bool:
        """Whether it is to stop and has not confirmed it."""
        return self.is_draining and not self.was_stopped

    @property
    def is_stuck(self) -> bool:
        """Whether it has stopped and cannot be resumed: it is not capacity.

        One that is silent and has not confirmed the stop is busy, as far as is known: it is woken
        once its heartbeats return.
        """
        if not self.is_draining:
            return False
        return self.consumes_nothing or (not self.is_reachable and self.was_stopped)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaGroup:
    """The replicas of a target, without those that are on their way out already."""

    replicas: int
    """What the target is set to."""
    working: tuple[Replica, ...]
    """Not marked. Those that have not appeared yet are missing here."""
    draining: tuple[Replica, ...]

    @property
    def last_heartbeat_at_s(self) -> float | None:
        """The last heartbeat of any of them."""
        latest = (one.heartbeat_at_s for one in (*self.working, *self.draining))
        return max((at_s for at_s in latest if at_s is not None), default=None)

    @property
    def consuming(self) -> int:
        """Replicas that take work, or will once they have started."""
        return max(0, self.replicas - len(self.draining) - len(self.lost) - len(self.hung))

    @property
    def lost(self) -> tuple[Replica, ...]:
        """Not marked, and seen to consume nothing."""
        return tuple(one for one in self.working if one.consumes_nothing)

    @property
    def hung(self) -> tuple[Replica, ...]:
        """Not marked, and never come up."""
        return tuple(one for one in self.working if one.is_hung)

    @property
    def proven(self) -> int:
        """Replicas that send heartbeats and take work."""
        return sum(1 for one in self.working if one.is_reachable and not one.consumes_nothing)

    @property
    def missing(self) -> int:
        """Replicas that the target asks for and that have not appeared."""
        return max(0, self.replicas - len(self.working) - len(self.draining))


def build_replica_group(replicas: Sequence[Replica], *, target_replicas: int) -> ReplicaGroup:
    """Sort the replicas.

    Where there are more than the target asks for, marked ones have been given up already (a write
    that is not carried out yet), the longest drained first.
    """
    surplus = max(0, len(replicas) - target_replicas)
    marked = sorted(
        (one for one in replicas if one.is_draining), key=lambda one: one.drained_since_s or 0.0
    )
    return ReplicaGroup(
        replicas=target_replicas,
        working=tuple(one for one in replicas if not one.is_draining),
        draining=tuple(marked[surplus:]),
    )


def misses_heartbeats(replica: Replica, *, last_heartbeat_at_s: float | None) -> bool:
    """Whether it has missed heartbeats in a time in which others of its pool sent some."""
    if replica.heartbeat_at_s is None or last_heartbeat_at_s is None:
        return False
    return last_heartbeat_at_s - replica.heartbeat_at_s > MISSED_S


def cannot_hold_tasks(replica: Replica, *, now_s: float) -> bool:
    """Whether no process of it can hold a task: pending, or it has not come up for long.

    One that has just started may fetch a message before its first heartbeat arrives.
    """
    if not replica.is_started or replica.is_hung:
        return True
    if replica.is_ready or replica.heartbeat_at_s is not None or replica.started_at_s is None:
        return False
    return now_s - replica.started_at_s > STARTUP_TIMEOUT_S


def may_be_removed(replica: Replica, policy: DrainSettings, *, now_s: float) -> bool:
    """Whether it holds no task and cannot get one (or its drain was given up, as its owner says).

    A worker that never answers is taken for idle after the timeout if its heartbeats say so.
    """
    if cannot_hold_tasks(replica, now_s=now_s):
        return True
    if is_overdue(replica, policy, now_s=now_s):
        return policy.ends_busy or replica.active == 0
    return _looks_idle(replica) and _says_idle(replica, now_s=now_s)


def needs_stop(replica: Replica, *, now_s: float) -> bool:
    """Whether a stop is to be sent, for the first time or again."""
    if not replica.is_reachable or _is_recent(replica.stop_tried_at_s, STOP_AGAIN_S, now_s=now_s):
        return False
    took_up_again = replica.answer is not None and replica.answer.is_consuming
    return replica.stopped_at_s is None or took_up_again


def needs_answer(replica: Replica, *, now_s: float) -> bool:
    """Whether it looks idle, and must confirm that before it may go."""
    if replica.stopped_at_s is None or now_s < replica.stopped_at_s + FETCH_LIMIT_S:
        return False
    if _is_recent(replica.ask_tried_at_s, ASK_AGAIN_S, now_s=now_s):
        return False
    return _looks_idle(replica) and not _says_idle(replica, now_s=now_s)


def is_overdue(replica: Replica, policy: DrainSettings, *, now_s: float) -> bool:
    """Whether it has been draining for longer than its owner has thought it would."""
    since_s = replica.drained_since_s
    return since_s is not None and now_s - since_s > policy.timeout_s


def _looks_idle(replica: Replica) -> bool:
    """By a heartbeat that was received after the stop was confirmed."""
    stopped_at_s, heartbeat_at_s = replica.stopped_at_s, replica.heartbeat_at_s
    if stopped_at_s is None or heartbeat_at_s is None:
        return False
    return replica.active == 0 and heartbeat_at_s > stopped_at_s


def _says_idle(replica: Replica, *, now_s: float) -> bool:
    """By its own answer, given long enough after the stop and not long ago."""
    answer, stopped_at_s = replica.answer, replica.stopped_at_s
    if answer is None or stopped_at_s is None or answer.held > 0 or answer.is_consuming:
        return False
    return answer.at_s >= stopped_at_s + FETCH_LIMIT_S and now_s - answer.at_s <= ANSWER_HOLDS_S


def _is_recent(at_s: float | None, within_s: float, *, now_s: float) -> bool:
    return at_s is not None and now_s - at_s < within_s
