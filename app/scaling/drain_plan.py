"""Which replicas are removed, and what has to happen before: no running task is ever ended.

A replica to remove is marked, and its consumers are cancelled. It is known to be idle when, after
the stop was confirmed, a heartbeat and then its own answer say that it runs and holds nothing. Only
then is it removed. If load returns, draining replicas are resumed before new ones are started.

The marks are stored at the replicas. A restarted loop finds them there, stops those replicas once
more (which changes nothing) and continues.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.scaling import replica_state
from app.scaling.replica_state import DrainSettings, Removal, Replica, ReplicaGroup

SHORT_TASK_S = 10.0
"""A drain waits this long for a task before it prefers an idle replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePlan:
    """What to do now, by names of replicas."""

    replicas: int
    """What the target should be set to."""
    victims: tuple[str, ...] = ()
    """Which go, where that is fewer than now."""
    mark: tuple[str, ...] = ()
    """Begin to drain: write the mark first, then stop."""
    stop: tuple[str, ...] = ()
    """Cancel their consumers (the newly marked ones included, if they are reachable)."""
    ask: tuple[str, ...] = ()
    """Ask what they hold."""
    resume: tuple[str, ...] = ()
    """Let consume again, then take the mark off."""
    overdue: tuple[str, ...] = ()
    """Drain for longer than the timeout, and still wait for their tasks."""
    is_blocked: bool = False
    """Should shrink and cannot: the victims cannot be predicted."""


def plan(
    group: ReplicaGroup,
    *,
    wanted: int,
    max_replicas: int,
    removal: Removal,
    policy: DrainSettings,
    now_s: float,
) -> ScalePlan:
    """What to do so that `wanted` replicas take work and the others go, without ending a task.

    `max_replicas` bounds what is started in place of draining replicas that cannot be woken.
    """
    if not policy.is_idle_first:
        return _at_once(group, wanted, now_s=now_s)
    going = _going(group, wanted=wanted, removal=removal, now_s=now_s)
    gone = _names(one for one in going if replica_state.may_be_removed(one, policy, now_s=now_s))
    replicas, victims = _shrunk(group, gone, wanted=wanted, removal=removal)
    staying = [one for one in going if one.name not in victims]
    kept = sum(1 for one in (*group.lost, *group.hung) if one not in going)
    needed = min(wanted + len(staying) + kept, max(group.replicas, max_replicas, wanted))
    return ScalePlan(
        # Victims go by a smaller size alone: one that is replaced at the maximum goes first.
        replicas=replicas if victims else max(replicas, needed),
        victims=victims,
        mark=_names(one for one in staying if not one.is_draining),
        stop=_names(one for one in staying if replica_state.needs_stop(one, now_s=now_s)),
        ask=_names(one for one in staying if replica_state.needs_answer(one, now_s=now_s)),
        resume=_names(one for one in group.draining if one not in going),
        overdue=_names(
            one for one in staying if replica_state.is_overdue(one, policy, now_s=now_s)
        ),
        is_blocked=removal is Removal.ANY and 0 < wanted < group.replicas,
    )


def _at_once(group: ReplicaGroup, wanted: int, *, now_s: float) -> ScalePlan:
    """Without a drain: the idlest go, whatever they do."""
    fewer = max(0, group.replicas - wanted - group.missing)
    victims = _names(_ranked(group, fewer=fewer, now_s=now_s)[:fewer])
    resume = _names(one for one in group.draining if one.name not in victims)
    return ScalePlan(replicas=wanted, victims=victims, resume=resume)


def _going(
    group: ReplicaGroup, *, wanted: int, removal: Removal, now_s: float
) -> tuple[Replica, ...]:
    """The replicas that take no work (any more), so that `wanted` others do."""
    all_replicas = (*group.working, *group.draining)
    stuck = tuple(one for one in group.draining if one.is_stuck)
    match removal:
        case Removal.CHOSEN:
            # A replica that has lost its consumers is replaced: a new one has them.
            useless = len(stuck) + len(group.lost)
            spared = _spared(group, wanted=wanted)
            fewer = max(useless, group.replicas - len(spared) - wanted - group.missing)
            ranked = _ranked(group, fewer=fewer, now_s=now_s)
            return tuple(one for one in ranked if one not in spared)[:fewer]
        case Removal.HIGHEST_ORDINAL:
            useless_ones = (*stuck, *group.lost, *group.hung)
            top = wanted + sum(1 for one in useless_ones if _ordinal(one) < wanted)
            return tuple(one for one in all_replicas if one in stuck or _ordinal(one) >= top)
        case Removal.ANY:
            return all_replicas if wanted == 0 else stuck


def _spared(group: ReplicaGroup, *, wanted: int) -> tuple[Replica, ...]:
    """Hung replicas stay until enough others send heartbeats. They may just be slow, and their
    successors too: if they were removed at once, none would ever start."""
    return group.hung if group.proven < wanted else ()


def _shrunk(
    group: ReplicaGroup, gone: tuple[str, ...], *, wanted: int, removal: Removal
) -> tuple[int, tuple[str, ...]]:
    """How small the target can be made by giving up those in `gone`, and who goes by that."""
    all_replicas = (*group.working, *group.draining)
    match removal:
        case Removal.CHOSEN:
            never_started = min(group.missing, max(0, group.replicas - wanted))
            return group.replicas - never_started - len(gone), gone
        case Removal.HIGHEST_ORDINAL:
            kept = (_ordinal(one) + 1 for one in all_replicas if one.name not in gone)
            replicas = min(group.replicas, max((wanted, *kept)))
            return replicas, _names(one for one in all_replicas if _ordinal(one) >= replicas)
        case Removal.ANY:
            is_empty = wanted == 0 and len(gone) == len(all_replicas)
            return (0, _names(all_replicas)) if is_empty else (group.replicas, ())


def _ranked(group: ReplicaGroup, *, fewer: int, now_s: float) -> tuple[Replica, ...]:
    """All replicas, those that should go first; `fewer` of them are to go."""
    wakes_some = fewer < len(group.draining)
    last_heartbeat_at_s = group.last_heartbeat_at_s

    def rank(one: Replica) -> tuple[int, int, float, str]:
        is_quiet = replica_state.misses_heartbeats(one, last_heartbeat_at_s=last_heartbeat_at_s)
        place, active = _removal_rank(one, wakes_some=wakes_some, is_quiet=is_quiet, now_s=now_s)
        return (place, active, -(one.started_at_s or 0.0), one.name)

    return tuple(sorted((*group.working, *group.draining), key=rank))


def _removal_rank(
    replica: Replica, *, wakes_some: bool, is_quiet: bool, now_s: float
) -> tuple[int, int]:
    """First replicas that cannot be resumed, then those that never started, then the most idle."""
    active = replica.active if replica.active is not None else 0
    if is_quiet and not replica.was_stopped:
        active = max(active, 1)  # it may be busy
    if replica.is_stuck or replica.consumes_nothing:
        return 0, active
    if replica_state.cannot_hold_tasks(replica, now_s=now_s):
        return 1, active
    if is_quiet and replica.is_stop_pending:
        # It is exchanged for an idle one, and not exchanged back when that one drains.
        return 4, active
    if replica.is_draining and wakes_some:
        # Those with the most free slots are the first to be woken, so they stand last.
        return 2, -active
    if replica.is_draining:
        # A replica with a long task is exchanged for an idle one, which can go at once.
        return (4 if active > 0 and _has_drained_long(replica, now_s=now_s) else 2), active
    return _rank_of_working(replica, active=active, is_quiet=is_quiet), active


def _rank_of_working(replica: Replica, *, active: int, is_quiet: bool) -> int:
    if replica.heartbeat_at_s is None:
        return 5  # it starts up
    if is_quiet or not replica.is_reachable:
        return 7  # it may be busy, and cannot be stopped
    return 3 if active == 0 else 6


def _has_drained_long(replica: Replica, *, now_s: float) -> bool:
    since_s = replica.drained_since_s
    return since_s is not None and now_s - since_s > SHORT_TASK_S


def _ordinal(replica: Replica) -> int:
    return replica.ordinal if replica.ordinal is not None else 0


def _names(replicas: Iterable[Replica]) -> tuple[str, ...]:
    return tuple(one.name for one in replicas)
