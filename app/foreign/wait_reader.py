"""Collects what is known of a task that waits: its message, its worker, its history."""

import time
from collections.abc import Collection, Mapping
from typing import Any

from app.broker.link import Link
from app.broker.model import NodeName
from app.broker.workers import reply
from app.broker.workers.pidbox import Pidbox, Request
from app.foreign import queue_actions, waiting_messages
from app.foreign.observed import Seen
from app.foreign.task_record import TaskRecord
from app.foreign.waiting_reason import HeldTask, WaitFacts
from app.queues import QueueName

FETCHED = 5_000
"""Fetched messages that are looked through."""
FETCHED_AT_ONCE = 500

Reply = Any  # what a worker's command returns: plain values without a schema


class WaitReader:
    """Reads the facts of one application's tasks."""

    def __init__(self, link: Link, pidbox: Pidbox) -> None:
        self._link = link
        self._pidbox = pidbox

    async def facts(
        self, task_id: str, *, seen: Seen, task: TaskRecord | None, paused: Collection[str] = ()
    ) -> WaitFacts:
        """Everything that is known of this task now. Raises BrokerUnreachable."""
        queues = [QueueName(queue.name) for queue in seen.queues]
        position = await queue_actions.find(self._link, queues, task_id)
        held: HeldTask | None = None
        fetched: str | None = None
        rate_limits: Mapping[str, str] = {}
        if position is None:
            nodes = [NodeName(worker.node) for worker in seen.workers]
            held = await self._held(task_id, nodes)
            fetched = None if held is not None else await self._fetched(task_id)
            rate_limits = await self._rate_limits(fetched, nodes) if fetched else {}
        return WaitFacts(
            task=task,
            position=position,
            held=held,
            is_unacked=fetched is not None,
            rate_limits=rate_limits,
            is_paused=position is not None and position.queue in paused,
            seen=seen,
        )

    async def _held(self, task_id: str, nodes: Collection[NodeName]) -> HeldTask | None:
        """Who holds the task."""
        query = Request(method="query_task", arguments={"ids": [task_id]})
        replies = await self._pidbox.call([query], nodes) if nodes else {}
        for node, given in replies.items():
            answer = given.get(query.ticket)
            found = answer.get(task_id) if isinstance(answer, Mapping) else None
            if isinstance(found, list | tuple) and len(found) == 2:
                state, request = found
                is_running = state == "active"
                return HeldTask(
                    worker=str(node),
                    is_running=is_running,
                    runs_for_s=reply.runs_for_s(request, now_s=time.time()) if is_running else None,
                    eta="" if is_running else await self._eta(node, task_id),
                )
        return None

    async def _rate_limits(self, name: str, nodes: Collection[NodeName]) -> Mapping[str, str]:
        """The limits of a task's rate by worker. Workers do not tell which tasks wait for one."""
        limits = Request(method="registered", arguments={"taskinfoitems": ["rate_limit"]})
        replies = await self._pidbox.call([limits], nodes) if nodes else {}
        found = {
            str(node): _rate_limit(given.get(limits.ticket), name)
            for node, given in replies.items()
        }
        return {node: limit for node, limit in found.items() if limit}

    async def _eta(self, node: NodeName, task_id: str) -> str:
        """The ETA for which a worker holds a task; empty if it holds it for a slot."""
        scheduled = Request(method="scheduled")
        replies = await self._pidbox.call([scheduled], [node])
        answer = replies.get(node, {}).get(scheduled.ticket)
        for one in answer if isinstance(answer, list) else ():
            request = one.get("request") if isinstance(one, Mapping) else None
            if isinstance(request, Mapping) and request.get("id") == task_id:
                return str(one.get("eta") or "")
        return ""

    async def _fetched(self, task_id: str) -> str | None:
        """The name of the task, if the broker has its message among those that workers have
        fetched; empty if the message does not tell it."""
        pattern = waiting_messages.id_pattern(task_id)
        looked = 0
        async with self._link.connection.asking() as client:
            async for _, held in client.hscan_iter(self._link.keys.unacked, count=FETCHED_AT_ONCE):
                if pattern.search(held):
                    return waiting_messages.name_of_held(held)
                looked += 1
                if looked >= FETCHED:
                    break
        return None


def _rate_limit(registered: Reply, name: str) -> str:
    """From texts like `orders.charge [rate_limit=10/m]`."""
    for text in registered if isinstance(registered, list) else ():
        task, _, options = str(text).partition(" [")
        if task == name and "rate_limit=" in options:
            limit = options.partition("rate_limit=")[2].rstrip("]").split(" ")[0]
            return "" if limit in ("None", "0") else limit
    return ""
