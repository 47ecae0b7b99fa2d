"""How many tasks a replica runs at once, where the spec does not say so: asked for, and seen."""

from collections.abc import Collection, Iterable

from app.broker.model import NodeConsumers, NodeName
from app.control.observe import worker_heartbeats as hearings
from app.control.observe.worker_heartbeats import Hearing
from app.control.ports import Instance

ASK_AGAIN_S = 5.0
"""Until workers have answered. Those that stay silent are asked ever more seldom
(`app.broker.workers.content_negotiation`)."""
HOLD_S = 600.0
"""Workers that have answered are asked again after this: a new version may have another number."""


def is_due(known: int | None, asked_at_s: float | None, *, now_s: float) -> bool:
    """Whether workers are to be asked (again)."""
    pause_s = ASK_AGAIN_S if known is None else HOLD_S
    return asked_at_s is None or now_s - asked_at_s >= pause_s


def nodes_to_ask(
    instances: Iterable[Instance],
    hearing: Hearing,
    *,
    silent: Collection[NodeName],
    now_s: float,
) -> tuple[NodeName, ...]:
    """The workers of one replica, rather of one whose workers have answered before."""
    awake = [hearing.awake_nodes(instance, now_s=now_s) for instance in instances]
    found = [nodes for nodes in awake if nodes]
    answering = (nodes for nodes in found if not set(nodes).intersection(silent))
    return next(answering, found[0] if found else ())


def of_workers(workers: Iterable[NodeConsumers]) -> int | None:
    """What the workers of one replica say together."""
    known = [worker.slots for worker in workers if worker.slots is not None]
    return sum(known) if known else None


def believed(
    known: int | None, instances: Iterable[Instance], hearing: Hearing, *, now_s: float
) -> int | None:
    """What is known, or more if a replica is seen to run more tasks than that at once."""
    heard = (hearings.current(hearing.of(instance), now_s=now_s) for instance in instances)
    running = [hearings.active(each, now_s=now_s) or 0 for each in heard]
    seen = max(running, default=0)
    return seen if seen > (known if known is not None else 1) else known
