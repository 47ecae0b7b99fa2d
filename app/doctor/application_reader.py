"""Reads the queues that have messages, and asks all workers for their settings."""

import json
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from app.broker.connections.connection import Connection
from app.broker.model import NodeName
from app.broker.queues import bindings
from app.broker.redis_keys import Keys
from app.broker.workers import reply
from app.broker.workers.content_negotiation import ContentNegotiation
from app.broker.workers.pidbox import Pidbox, Request
from app.doctor.snapshot import WaitingQueue, WorkerFacts
from app.queues import QueueName

ANSWERS_WITHIN_S = 5.0
TASK_OPTIONS = ("acks_late", "time_limit")

_STATS = Request(method="stats")
_CONF = Request(method="conf", arguments={"with_defaults": True})
_QUEUES = Request(method="active_queues")
_TASKS = Request(method="registered", arguments={"taskinfoitems": list(TASK_OPTIONS)})
_REQUESTS = (_STATS, _CONF, _QUEUES, _TASKS)

Answers = Mapping[str, Any]  # replies of a worker by ticket


async def read_workers(connection: Connection, keys: Keys) -> tuple[WorkerFacts, ...]:
    """The workers that answer in time. Of two with one name both are returned.

    Raises:
        BrokerUnreachable: none could be asked.
    """
    pidbox = Pidbox(connection, keys, ContentNegotiation(), clock=time.time)
    replies = await pidbox.broadcast(_REQUESTS, within_s=ANSWERS_WITHIN_S)
    by_node: dict[NodeName, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for one in replies:
        for ticket, (node, given) in one.items():
            by_node[node][ticket].append(given)
    return tuple(worker for node, given in by_node.items() for worker in _workers(node, given))


def _workers(node: NodeName, given: Mapping[str, Sequence[Any]]) -> Iterable[WorkerFacts]:
    if not all(given.get(request.ticket) for request in _REQUESTS):
        return
    conf, queues, tasks = (given[each.ticket][0] for each in (_CONF, _QUEUES, _TASKS))
    for stats in given[_STATS.ticket]:
        if isinstance(stats, dict) and isinstance(conf, dict):
            yield WorkerFacts(
                node=node,
                pid=int(stats.get("pid") or 0),
                conf=conf,
                queues=frozenset(one.name for one in reply.parse_queues(node, queues or ())),
                tasks=dict(str(task).partition(" ")[::2] for task in tasks or ()),
            )


async def read_queues(
    connection: Connection, keys: Keys, *, consumed: Collection[str]
) -> tuple[WaitingQueue, ...]:
    """The queues with messages, among those that are consumed or declared.

    Raises:
        BrokerUnreachable: no answer, or a refusal.
    """
    async with connection.asking() as client:
        names = {*consumed, *await bindings.declared_queues(client, keys)}
        found = [await _read(client, keys, name) for name in sorted(names)]
    return tuple(queue for queue in found if queue.ready)


async def _read(client: Any, keys: Keys, name: str) -> WaitingQueue:  # redis-py's client
    lists = dict(keys.lists(QueueName(name)))
    pipeline = client.pipeline(transaction=False)
    for each in lists.values():
        pipeline.llen(each)
        pipeline.lindex(each, -1)
    answers = await pipeline.execute()
    heads = [head for head in answers[1::2] if head is not None]
    return WaitingQueue(
        name=name,
        by_step={step: count for step, count in zip(lists, answers[::2], strict=True) if count},
        next_tasks=frozenset(task for task in map(_task, heads) if task is not None),
        largest_bytes=max((len(head) for head in heads), default=0),
    )


def _task(message: bytes) -> str | None:
    try:
        found = json.loads(message)["headers"]["task"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
