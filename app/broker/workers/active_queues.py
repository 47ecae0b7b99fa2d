"""What a worker says of the queues that it consumes (the reply to Celery's `active_queues`)."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.broker.model import ConsumedQueue, NodeName
from app.queues import QueueName

DIRECT_SUFFIX = ".dq2"
"""Celery's `worker_direct` queue of the node `celery@host` is called `celery@host.dq2`."""

Reply = Any  # a queue as kombu's `as_dict` describes it: JSON without a schema


def parse_queues(node: NodeName, reply: Iterable[Reply]) -> frozenset[ConsumedQueue]:
    """The queues of a reply; what is not the description of a queue is left out."""
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
    """Whether no other worker can run what arrives in this queue.

    A fanout exchange hands every worker its own copy: over Redis it is published to those that
    listen and waits in no list.

    >>> is_private(NodeName("w@a"), "w@a.dq2", exchange_type="direct")
    True
    >>> is_private(NodeName("w@a"), "w@b.dq2", exchange_type="direct")
    False
    """
    return is_exclusive or exchange_type == "fanout" or name == f"{node}{DIRECT_SUFFIX}"


def _text(value: Reply) -> str | None:
    return value if isinstance(value, str) and value else None
