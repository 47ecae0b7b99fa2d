"""One reading of an application: its queues and workers now, for commands that keep no history."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.broker.link import Link
from app.broker.model import NodeName, QueueReading
from app.broker.queues import bindings
from app.broker.workers import reply
from app.broker.workers.pidbox import Pidbox, Request
from app.errors import BrokerRefused
from app.foreign.observed import Seen, SeenQueue, SeenWorker
from app.queues import QueueName

LISTENED_S = 2.5
"""Heartbeats come every 2 s, and workers answer within that time."""

Reply = Any  # what a worker's command returns: plain values without a schema


async def read_application(link: Link, pidbox: Pidbox) -> Seen:
    """Queues and workers, after `LISTENED_S` seconds. The link is opened.

    Raises:
        BrokerUnreachable: nothing is known.
    """
    link.open()
    workers = await read_workers(link, pidbox)
    consumed = {name for worker in workers for name in worker.queues or ()}
    async with link.connection.asking() as client:
        names = sorted(consumed | await bindings.declared_queues(client, link.keys))
    reading = await link.queues.read([QueueName(name) for name in names])
    return Seen(
        at=datetime.now(UTC),
        counts={},
        queues=tuple(_queue(one, workers) for one in reading.queues.values()),
        workers=workers,
    )


async def read_workers(link: Link, pidbox: Pidbox) -> tuple[SeenWorker, ...]:
    """The workers that answer, and those that only send heartbeats. The link must be open.

    Raises:
        BrokerUnreachable: none could be asked.
    """
    stats, queues = Request(method="stats"), Request(method="active_queues")
    running = Request(method="active", arguments={"safe": True})
    replies = await pidbox.broadcast((stats, queues, running), within_s=LISTENED_S)
    by_node: dict[NodeName, dict[str, Reply]] = defaultdict(dict)
    for one in replies:
        for ticket, (node, answer) in one.items():
            by_node[node][ticket] = answer
    try:
        heartbeats = (await link.queues.read(())).heartbeats
    except BrokerRefused:  # by a user that may read no queue
        heartbeats = {}
    now_s = time.time()
    found = [
        _worker(node, by_node[node], stats.ticket, queues.ticket, running.ticket, now_s=now_s)
        for node in by_node
    ]
    found += [
        SeenWorker(
            node=node,
            active=each.active,
            processed=each.processed,
            heartbeat_age_s=max(0.0, now_s - each.seen_at_s),
            is_deaf=True,
        )
        for node, each in heartbeats.items()
        if node not in by_node
    ]
    return tuple(sorted(found, key=lambda worker: worker.node))


async def running_tasks(pidbox: Pidbox) -> list[Mapping[str, Reply]]:
    """The tasks that run now, the longest first: `task`, `id`, `worker`, `runs_for_seconds`.

    Raises:
        BrokerUnreachable: no worker could be asked.
    """
    running = Request(method="active", arguments={"safe": True})
    replies = await pidbox.broadcast([running], within_s=LISTENED_S)
    now_s = time.time()
    found = []
    for one in replies:
        for node, answer in one.values():
            for task in answer if isinstance(answer, list) else ():
                found.append(
                    {
                        "task": str(task.get("name") or task.get("type") or ""),
                        "id": str(task.get("id") or ""),
                        "worker": str(node),
                        "runs_for_seconds": reply.runs_for_s(task, now_s=now_s),
                    }
                )
    return sorted(found, key=lambda task: -(task["runs_for_seconds"] or 0))


def consumers(workers: Collection[SeenWorker], queue: str) -> list[NodeName]:
    """The workers that consume a queue."""
    return [NodeName(one.node) for one in workers if queue in (one.queues or ())]


def _worker(
    node: NodeName,
    given: Mapping[str, Reply],
    stats: str,
    queues: str,
    running: str,
    *,
    now_s: float,
) -> SeenWorker:
    facts, consumed, active = given.get(stats), given.get(queues), given.get(running)
    began_at_s = reply.began_at_s(facts, now_s=now_s)
    names: Sequence[str] | None = None
    if isinstance(consumed, list):
        shared = [one for one in reply.parse_queues(node, consumed) if not one.is_private]
        names = sorted(one.name for one in shared)
    return SeenWorker(
        node=node,
        active=len(active) if isinstance(active, list) else 0,
        processed=_processed(facts),
        heartbeat_age_s=0.0,
        slots=reply.processes(facts) or reply.slots(facts),
        uptime_s=None if began_at_s is None else now_s - began_at_s,
        queues=None if names is None else tuple(names),
    )


def _processed(facts: Reply) -> int:
    try:
        return sum(int(count) for count in facts["total"].values())
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0


def _queue(reading: QueueReading, workers: Collection[SeenWorker]) -> SeenQueue:
    return SeenQueue(
        name=reading.name,
        ready=reading.ready,
        unacked=reading.unacked,
        scheduled=reading.scheduled,
        oldest_age_s=reading.oldest_age_s,
        consumers=len(consumers(workers, reading.name)),
        rates=None,
    )
