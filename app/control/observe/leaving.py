"""What replicas that were told to end still run.

A Celery worker says goodbye when it gets SIGTERM, and finishes its tasks after that: no heartbeat
tells of them any more. What was heard of it last counts until its replica is gone.
"""

from collections.abc import Iterable, Mapping

from app.control.observe import worker_heartbeats as hearings
from app.control.observe.worker_heartbeats import Hearing
from app.control.ports import Instance, InstanceName

LastActive = Mapping[InstanceName, int]
"""Tasks that each replica ran when it was last heard."""


def updated(
    before: LastActive, instances: Iterable[Instance], hearing: Hearing, *, now_s: float
) -> LastActive:
    """With what is heard now; replicas that are gone are forgotten."""
    last = {}
    for one in instances:
        heard = hearings.current(hearing.of(one), now_s=now_s)
        active = hearings.active(heard, now_s=now_s)
        known = active if active is not None else before.get(one.name)
        if known is not None:
            last[one.name] = known
    return last


def running(last: LastActive, instances: Iterable[Instance]) -> int:
    """Tasks that ending replicas run, as far as is known."""
    return sum(last.get(one.name, 0) for one in instances if one.is_ending)
