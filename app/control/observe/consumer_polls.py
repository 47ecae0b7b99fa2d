"""Which workers are asked now what they consume: seldom, and few at once. Pure.

A worker is asked when it is first heard and when it has come back to the broker, soon after it was
seen without consumers, when it looks idle while messages wait, and otherwise every few minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.broker.model import NodeName
from app.control.observe.consumption import RECHECK_S, AwakeWorker, Consumption, WorkerRecord

SETTLE_S = 3.0
"""A worker that has just connected has its consumers by then."""
IDLE_CHECK_S = 30.0
"""A worker that looks idle while messages wait is asked this often."""
LACKING_CHECK_S = 10.0
ROUTINE_S = 300.0
"""How old an answer may be when nothing looks odd."""
ROUTINE_PAUSE_S = 10.0
SILENCE_LIMIT_S = 600.0
"""A worker that does not answer is asked ever more seldom, down to once in this time."""
AT_ONCE = 20
ROUTINE_AT_ONCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The workers to ask now."""

    nodes: tuple[NodeName, ...] = ()
    is_routine: bool = False


def next_round(
    workers: Sequence[AwakeWorker], known: Consumption, *, has_waiting: bool, now_s: float
) -> Round:
    """The workers to ask now, a bounded number; those that there is a reason to ask first."""
    settled = [one for one in workers if now_s - one.connected_at_s >= SETTLE_S]
    reasoned = [
        (_asked_at_s(known, one.node), one.node)
        for one in settled
        if _has_reason(one, known.records.get(one.node), has_waiting=has_waiting, now_s=now_s)
    ]
    if reasoned or now_s - known.routine_at_s < ROUTINE_PAUSE_S:
        return Round(nodes=_longest_ago(reasoned, AT_ONCE))
    old = [
        (asked_at_s, one.node)
        for one in settled
        if now_s - (asked_at_s := _asked_at_s(known, one.node)) >= ROUTINE_S
    ]
    return Round(nodes=_longest_ago(old, ROUTINE_AT_ONCE), is_routine=bool(old))


def _asked_at_s(known: Consumption, node: NodeName) -> float:
    record = known.records.get(node)
    return record.asked_at_s if record is not None else 0.0


def _longest_ago(asked: Sequence[tuple[float, NodeName]], count: int) -> tuple[NodeName, ...]:
    return tuple(node for _, node in sorted(asked)[:count])


def _has_reason(
    worker: AwakeWorker, record: WorkerRecord | None, *, has_waiting: bool, now_s: float
) -> bool:
    if record is None:
        return True
    age_s = now_s - record.asked_at_s
    has_returned = record.asked_at_s < worker.connected_at_s
    if not has_returned and age_s < max(RECHECK_S, _pause_s(record)):
        return False
    if record.seen is None or record.seen.seen_at_s < worker.connected_at_s + SETTLE_S:
        return True
    if record.lacking_since_s is not None:
        is_news = now_s - record.lacking_since_s < LACKING_CHECK_S
        return age_s >= (RECHECK_S if is_news else LACKING_CHECK_S)
    return has_waiting and worker.is_idle and age_s >= IDLE_CHECK_S


def _pause_s(record: WorkerRecord) -> float:
    """How long a worker that does not answer is left in peace."""
    if record.unanswered == 0:
        return 0.0
    return min(SILENCE_LIMIT_S, RECHECK_S * 2.0 ** min(record.unanswered, 10))
