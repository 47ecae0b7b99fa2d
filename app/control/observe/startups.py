"""How long workers take from the start of their process to their first heartbeat. Pure.

A worker sends its first heartbeat before it fetches a message (Celery's event loop is the last step
of its start). So one that has never been heard, though it was listened for all the time, holds no
task. That needs evidence that the pool's workers do send heartbeats: others that were heard.
"""

from collections.abc import Iterable

from app.control.observe.worker_heartbeats import Hearing
from app.control.ports import Instance, InstanceName
from app.scaling.crew import COMES_UP_WITHIN_S

PATIENCE = 3.0
"""A worker may take this many times as long as the slowest one that was seen to start."""


def longest(
    before_s: float | None, instances: Iterable[Instance], hearing: Hearing
) -> float | None:
    """The longest start that was seen from its beginning; `None` before the first one."""
    found = [took_s for one in instances if (took_s := _start_of(one, hearing)) is not None]
    if before_s is not None:
        found.append(before_s)
    return max(found, default=None)


def _start_of(instance: Instance, hearing: Hearing) -> float | None:
    first_s = min(
        (beat.first_seen_at_s for beat in hearing.of(instance) if beat.first_seen_at_s is not None),
        default=None,
    )
    started_at_s = instance.started_at_s
    if first_s is None or started_at_s is None or not _is_listened_to(instance, hearing):
        return None
    # Of a container that has restarted the first heartbeat is an earlier process's.
    return first_s - started_at_s if first_s >= started_at_s else None


def hung(
    instances: Iterable[Instance], hearing: Hearing, *, longest_s: float | None, now_s: float
) -> frozenset[InstanceName]:
    """The replicas whose workers should have been heard by now, and never were."""
    if longest_s is None:
        return frozenset()
    limit_s = max(COMES_UP_WITHIN_S, PATIENCE * longest_s)
    return frozenset(
        one.name
        for one in instances
        if one.is_started
        and one.started_at_s is not None
        and now_s - one.started_at_s > limit_s
        and _is_listened_to(one, hearing)
        and not hearing.of(one)
    )


def _is_listened_to(instance: Instance, hearing: Hearing) -> bool:
    """Whether heartbeats were received without a gap since it started."""
    since_s, started_at_s = hearing.since_s, instance.started_at_s
    return since_s is not None and started_at_s is not None and since_s <= started_at_s
