"""The events of a pool, and its audit trail in the log."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.control.decide.pool_memory import SentEvents
from app.control.pool.problems import Finding, FindingSeverity, ProblemReason
from app.control.pool.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    EventType,
    PoolEvent,
)
from app.control.pool.worker_pool import PoolKey
from app.control.ports import DrainEnd, Scaling
from app.scaling import steps

REPEAT_S = 600.0
"""The same event is sent again after this."""
PACE_S = 10.0
"""Events with the same reason are at least this far apart: a drain gives up one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedState:
    """The part of a reconcile that events are derived from."""

    conditions: Sequence[Condition] = ()
    findings: Sequence[Finding] = ()


def events(
    *,
    before: ReportedState,
    after: ReportedState,
    scaling: Scaling | None,
    marked: Sequence[str],
    explanation: Sequence[str],
    now_s: float,
) -> Iterator[PoolEvent]:
    """What has happened in one reconcile."""
    why = steps.paragraph(explanation)
    if scaling is not None:
        reason = "ScaledUp" if scaling.now > scaling.was else "ScaledDown"
        yield _normal(reason, f"{scaling.was} -> {scaling.now} replicas. {why}", now_s)
    if marked:
        yield _normal("DrainStarted", f"{_draining(marked)}. {why}", now_s)
    yield from _of_findings(before, after, now_s=now_s)
    yield from _of_pauses(before, after, now_s=now_s)


def _draining(marked: Sequence[str]) -> str:
    names = ", ".join(marked[:5]) + (", …" if len(marked) > 5 else "")
    return f"{names} drains" if len(marked) == 1 else f"{len(marked)} replicas drain ({names})"


def _of_findings(
    before: ReportedState, after: ReportedState, *, now_s: float
) -> Iterator[PoolEvent]:
    """Each finding when it begins, and when it is over."""
    were, are = _by_reason(before.findings), _by_reason(after.findings)
    for reason, finding in are.items():
        if reason not in were:
            yield PoolEvent(
                type=EventType.WARNING, reason=reason.value, message=finding.message, at_s=now_s
            )
    conditions = {condition.type: condition for condition in after.conditions}
    still_turned = {finding.effect.condition for finding in are.values()}
    for reason, finding in were.items():
        if reason in are or finding.effect.condition in still_turned:
            continue
        now = conditions[finding.effect.condition or ConditionType.READY]
        if now.status is not ConditionStatus.UNKNOWN:
            yield _normal(f"{reason}Resolved", now.message, now_s)


def _by_reason(findings: Sequence[Finding]) -> Mapping[ProblemReason, Finding]:
    """Those that are worth an event; several of one reason make one."""
    found: dict[ProblemReason, list[Finding]] = {}
    for one in findings:
        if one.effect.severity is not FindingSeverity.NOTE:
            found.setdefault(one.reason, []).append(one)
    return {
        reason: Finding(reason, "; ".join(one.message for one in alike))
        for reason, alike in found.items()
    }


def _of_pauses(before: ReportedState, after: ReportedState, *, now_s: float) -> Iterator[PoolEvent]:
    was, now = _paused(before), _paused(after)
    if now is None:
        return
    was_paused = was is not None and was.status is ConditionStatus.TRUE
    begins = now.status is ConditionStatus.TRUE and not was_paused
    ends = now.status is ConditionStatus.FALSE and was_paused
    reasons = {finding.reason for finding in (*before.findings, *after.findings)}
    is_reported = (was is not None and was.reason in reasons) or now.reason in reasons
    if (begins or ends) and not is_reported:
        yield _normal(now.reason, now.message, now_s)


def _paused(sent: ReportedState) -> Condition | None:
    return next((one for one in sent.conditions if one.type is ConditionType.PAUSED), None)


def _normal(reason: str, message: str, now_s: float) -> PoolEvent:
    return PoolEvent(type=EventType.NORMAL, reason=reason, message=message, at_s=now_s)


def without_repeats(
    happened: Iterable[PoolEvent], sent: SentEvents
) -> tuple[tuple[PoolEvent, ...], SentEvents]:
    """The events to send, without repeats and with pauses for each reason, and all sent events."""
    now: dict[tuple[str, str], float] = dict(sent)
    chosen = []
    for event in happened:
        last_s = max((at_s for (why, _), at_s in now.items() if why == event.reason), default=None)
        same_s = now.get((event.reason, event.message))
        is_repeat = same_s is not None and event.at_s - same_s < REPEAT_S
        is_hasty = last_s is not None and event.at_s - last_s < PACE_S
        if not is_repeat and not is_hasty:
            chosen.append(event)
            now[event.reason, event.message] = event.at_s
            now = {key: at_s for key, at_s in now.items() if event.at_s - at_s < REPEAT_S}
    return tuple(chosen), now


logger = logging.getLogger("celeriac.pools")
"""One name for all of it, so that a log can be filtered for the trail."""

_OUTAGES = (
    ProblemReason.BROKER_UNREACHABLE,
    ProblemReason.BROKER_REFUSED,
    ProblemReason.TARGET_UNREACHABLE,
)
_LEFT_OUT = {
    *("ScaledUp", "ScaledDown"),  # logged by `log_scaling` with their numbers
    # An outage is logged once for all pools: by the loop, or by the client of the API server.
    *(reason.value for reason in _OUTAGES),
    *(f"{reason.value}Resolved" for reason in _OUTAGES),
}

_LEVELS = {EventType.NORMAL: logging.INFO, EventType.WARNING: logging.WARNING}


def log_scaling(pool: PoolKey, scaling: Scaling | None, *, why: Sequence[str]) -> None:
    """Log a change of size. Unlike Events, none is left out when several come fast."""
    if scaling is not None:
        fields = {
            "pool": str(pool),
            "from": scaling.was,
            "to": scaling.now,
            "why": steps.paragraph(why),
        }
        logger.info("pool scaled", extra=fields)


def log_events(pool: PoolKey, events: Iterable[PoolEvent]) -> None:
    """Log the other events of a pool: drains, refusals, recoveries."""
    for event in events:
        if event.reason not in _LEFT_OUT:
            fields = {"pool": str(pool), "reason": event.reason, "detail": event.message}
            logger.log(_LEVELS[event.type], "pool event", extra=fields)


def log_drains(pool: PoolKey, ended: Iterable[DrainEnd]) -> None:
    """Log drains that are over, each with what became of it and how long it took."""
    for each in ended:
        fields = {
            "pool": str(pool),
            "replica": each.replica,
            "outcome": each.outcome.value,
            "duration_s": round(each.duration_s, 1),
        }
        logger.info("drain ended", extra=fields)


def log_outage(broker: str, *, problem: str, pools: int) -> None:
    """Log the beginning of an outage, once for all pools of a broker."""
    fields = {"broker": broker, "pools": pools, "reason": problem}
    logger.warning("broker not read, its pools keep their sizes", extra=fields)


def log_recovery(broker: str, *, lasted_s: float) -> None:
    """Log the end of an outage."""
    logger.info("broker is read again", extra={"broker": broker, "lasted_s": round(lasted_s, 1)})
