"""Parses the replies of workers to remote control (`celery.worker.control`)."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.broker.model import ConsumedQueue, NodeAnswer, NodeName, QueueReading
from app.queues import QueueName

DIRECT_SUFFIX = ".dq2"
"""Celery's `worker_direct` queue of the node `celery@host` has the name `celery@host.dq2`."""

Reply = Any  # what a worker's command returns: plain values without a schema


def parse_queues(node: NodeName, reply: Iterable[Reply]) -> frozenset[ConsumedQueue]:
    """Parse the queues of a reply. Items that do not describe a queue are left out."""
    found = (_queue(node, described) for described in reply if isinstance(described, Mapping))
    return frozenset(queue for queue in found if queue is not None)


def _queue(node: NodeName, described: Mapping[str, Reply]) -> ConsumedQueue | None:
    name = described.get("name")
    if not isinstance(name, str):
        return None
    exchange = described.get("exchange")
    declared = exchange if isinstance(exchange, Mapping) else {}
    alias = _text(described.get("alias"))
    return ConsumedQueue(
        name=QueueName(name),
        exchange=_text(declared.get("name")),
        exchange_type=_text(declared.get("type")),
        routing_key=_text(described.get("routing_key")),
        alias=QueueName(alias) if alias is not None else None,
        is_private=is_private(
            node,
            name,
            exchange_type=_text(declared.get("type")),
            is_exclusive=described.get("exclusive") is True,
        ),
    )


def is_private(
    node: NodeName, name: str, *, exchange_type: str | None, is_exclusive: bool = False
) -> bool:
    """Whether no other worker receives the messages of this queue.

    A fanout exchange gives every worker its own copy, which Redis publishes and does not store.

    >>> is_private(NodeName("w@a"), "w@a.dq2", exchange_type="direct")
    True
    >>> is_private(NodeName("w@a"), "w@b.dq2", exchange_type="direct")
    False
    """
    return is_exclusive or exchange_type == "fanout" or name == f"{node}{DIRECT_SUFFIX}"


def _text(value: Reply) -> str | None:
    return value if isinstance(value, str) and value else None


def answer(
    node: NodeName, *, active: Reply, reserved: Reply, consumed: Reply, now_s: float
) -> NodeAnswer | None:
    """`None` if a reply is missing: a partial answer does not show that a worker is idle."""
    if not all(isinstance(found, list) for found in (active, reserved, consumed)):
        return None
    queues = parse_queues(node, consumed)
    return NodeAnswer(
        node=node,
        answered_at_s=now_s,
        active=len(active),
        reserved=len(reserved),
        queues=names(queue for queue in queues if not queue.is_private),
        private_queues=names(queue for queue in queues if queue.is_private),
    )


def names(queues: Iterable[ConsumedQueue]) -> frozenset[QueueName]:
    return frozenset(queue.name for queue in queues)


def declaration(queue: ConsumedQueue) -> dict[str, str]:
    """The arguments of `add_consumer`. A worker that knows the queue uses the name only."""
    declared = {
        "queue": queue.name,
        "exchange": queue.exchange,
        "exchange_type": queue.exchange_type,
        "routing_key": queue.routing_key,
    }
    return {name: value for name, value in declared.items() if value is not None}


def began_at_s(stats: Reply, *, now_s: float) -> float | None:
    try:
        return now_s - float(stats["uptime"])
    except (KeyError, TypeError, ValueError):
        return None


def slots(stats: Reply) -> int | None:
    """The concurrency, or the autoscaler's maximum: it removes processes of an idle worker."""
    try:
        concurrency = int(stats["pool"]["max-concurrency"])
        return max(concurrency, int(stats.get("autoscaler", {}).get("max", 0)))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def processes(stats: Reply) -> int | None:
    """The processes of a prefork pool that no autoscaler sizes."""
    try:
        found = stats["pool"]["processes"]
        is_prefork = stats["pool"]["implementation"].endswith("prefork:TaskPool")
        return len(found) if is_prefork and "autoscaler" not in stats else None
    except (KeyError, TypeError, AttributeError):
        return None


def runs_for_s(task: Reply, *, now_s: float) -> float | None:
    """How long a task of the reply to `active` has run; `None` if the worker does not say it."""
    began_at_s = task.get("time_start") if isinstance(task, Mapping) else None
    return max(0.0, now_s - began_at_s) if isinstance(began_at_s, int | float) else None


def held(reading: QueueReading) -> int:
    """Ready and fetched messages. One is assumed while the number of fetched ones is unknown."""
    return reading.ready + (reading.unacked if reading.unacked is not None else 1)
