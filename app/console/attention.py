"""What needs attention, worst first: sentences with the page that helps."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlencode

from app.console import words
from app.console.console_model import ConsolePool, ConsoleQueue, Overview

LATE_S = 60.0
"""A message that waits longer makes its queue late."""


class Severity(StrEnum):
    """How soon somebody should act."""

    FAILED = "failed"
    LATE = "late"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that needs attention."""

    severity: Severity
    text: str
    link: str
    action: str
    """The words of the link."""


def concerns(seen: Overview) -> tuple[Concern, ...]:
    """Everything of this overview that needs attention, worst first."""
    found = [*_failures(seen), *map(_late, seen.queues), *map(_unserved, seen.queues)]
    found += [concern for pool in seen.pools for concern in _pool(pool)]
    if seen.problem is not None:
        found.insert(0, _unknown(seen.problem))
    order = list(Severity)
    return tuple(sorted(filter(None, found), key=lambda one: order.index(one.severity)))


def _unknown(problem: str) -> Concern:
    return Concern(
        severity=Severity.FAILED,
        text=f"Queues and pools are unknown: {problem}",
        link="/readyz",
        action="Readiness",
    )


def _failures(seen: Overview) -> list[Concern | None]:
    return [
        Concern(
            severity=Severity.FAILED,
            text=f"{words.plural(group.count, f'{group.kind} job')} failed with "
            f"{group.error_type}, last {words.ago(group.last_at, seen.at)}: "
            f"{group.example_message}",
            link="/jobs?" + urlencode({"state": "failed", "kind": group.kind}),
            action="Show",
        )
        for group in seen.failures
    ]


def _late(queue: ConsoleQueue) -> Concern | None:
    if queue.oldest_age_s is None or queue.oldest_age_s < LATE_S or not queue.ready:
        return None
    return Concern(
        severity=Severity.LATE,
        text=f"Queue {queue.name} is late: its oldest message waits for "
        f"{words.duration(queue.oldest_age_s)}, {words.plural(queue.ready, 'message')} ready",
        link=f"/queues#{quote(queue.name)}",
        action="Queue",
    )


def _unserved(queue: ConsoleQueue) -> Concern | None:
    if queue.pool is not None or not queue.ready:
        return None
    return Concern(
        severity=Severity.LATE,
        text=f"No pool serves queue {queue.name}, which has {words.plural(queue.ready, 'message')}",
        link=f"/queues#{quote(queue.name)}",
        action="Queue",
    )


def _pool(pool: ConsolePool) -> list[Concern]:
    link = f"/pools/{quote(pool.name)}"
    found = [
        Concern(
            severity=Severity.LATE,
            text=f"Pool {pool.name}: {condition.message}",
            link=link,
            action="Pool",
        )
        for condition in pool.conditions
        if condition.type == "Ready" and condition.status != "True"
    ]
    is_full = pool.maximum is not None and pool.desired == pool.maximum and pool.backlog
    if is_full and not found:
        found.append(
            Concern(
                severity=Severity.NOTE,
                text=f"Pool {pool.name} is at its maximum of "
                f"{words.plural(pool.maximum or 0, 'replica')}, and "
                f"{words.plural(pool.backlog or 0, 'message')} wait",
                link=link,
                action="Pool",
            )
        )
    return found
