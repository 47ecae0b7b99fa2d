"""Celery's remote control, spoken to named workers only (`kombu.pidbox`, `celery.worker.control`).

A request is broadcast with the names of those it is meant for; each of them pushes its answer to a
list of ours, through the binding that we make for the time of the question. Nothing here waits for
a worker that is not named, and a worker that is busy answers all the same (its main process does).
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from app.broker import active_queues, envelope, keys
from app.broker.connection import ANSWER_TIMEOUT_S, Connection
from app.broker.keys import Keys
from app.broker.model import ConsumedQueue, NodeAnswer, NodeConsumers, NodeName
from app.errors import BrokerUnreachable, InvalidInput
from app.queues import QueueName

ANSWER_LIMIT_S = 2.0
"""A worker that has not answered by then is left out. Live ones took under 50 ms."""

_BINDING_KEPT_S = 3600
"""Kombu's own minimum; its sweep takes our binding when we could not."""

_QUESTIONS = ("active", "reserved", "scheduled", "active_queues", "stats")

Reply = Any  # what a worker's command returns: JSON without a schema


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One command to the named workers."""

    method: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    ticket: str = field(default_factory=lambda: str(uuid4()))


class RemoteControl:
    """Tells workers of one application what to do, and asks them what they hold."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        *,
        clock: Callable[[], float],
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._connection = connection
        self._keys = layout
        self._clock = clock
        self._answer_limit_s = answer_limit_s

    async def consumers(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeConsumers]:
        """What these nodes consume now. A node that does not answer is left out.

        Raises:
            BrokerUnreachable: no node could be asked.
        """
        queues, stats = _Request(method="active_queues"), _Request(method="stats")
        replies = await self._call([queues, stats], nodes)
        now_s = self._clock()
        return {
            node: NodeConsumers(
                node=node,
                seen_at_s=now_s,
                queues=active_queues.parse_queues(node, found),
                began_at_s=_began_at_s(given.get(stats.ticket), now_s=now_s),
            )
            for node, given in replies.items()
            if isinstance(found := given.get(queues.ticket), list)
        }

    async def stop_consuming(
        self, queues: Mapping[NodeName, Collection[QueueName]]
    ) -> frozenset[NodeName]:
        """Cancel consumers, of each node these; returns the nodes that are seen without them.

        A message that a worker was about to fetch goes back to its queue. What it holds already it
        still runs.

        A worker says "ok" first and acts in the next turn of its loop, on all that it was told
        meanwhile, in any order (Celery's `call_soon`, Kombu's hub). Who resumed it upon that word
        could have it resume first and stop then, for good.

        Raises:
            BrokerUnreachable: it is not known who has heard it.
        """
        commands = {
            node: [_Request(method="cancel_consumer", arguments={"queue": name}) for name in names]
            for node, names in queues.items()
        }
        told = await self._tell(commands)
        return await self._seen(
            told, lambda node, consumed: _names(consumed).isdisjoint(queues[node])
        )

    async def resume_consuming(
        self, queues: Mapping[NodeName, Collection[ConsumedQueue]]
    ) -> frozenset[NodeName]:
        """Add consumers, to each node these; returns the nodes that are seen with them.

        A worker creates a queue that it does not know, and would discard the messages of tasks
        that it does not know. So a node is only given queues that it has consumed before.

        Raises:
            BrokerUnreachable: it is not known who has heard it.
        """
        commands = {
            node: [
                _Request(method="add_consumer", arguments=_declaration(queue)) for queue in wanted
            ]
            for node, wanted in queues.items()
        }
        told = await self._tell(commands)
        return await self._seen(
            told,
            lambda node, consumed: _names(consumed).issuperset(each.name for each in queues[node]),
        )

    async def ask(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeAnswer]:
        """What these nodes hold and consume now. A node that does not answer is left out.

        Raises:
            BrokerUnreachable: nobody could be asked.
        """
        requests = [_Request(method=method) for method in _QUESTIONS]
        replies = await self._call(requests, nodes)
        now_s = self._clock()
        answers = {
            node: {request.method: given.get(request.ticket) for request in requests}
            for node, given in replies.items()
        }
        return {
            node: answer
            for node, given in answers.items()
            if (answer := _answer(node, given, now_s=now_s)) is not None
        }

    async def shut_down(self, nodes: Collection[NodeName]) -> None:
        """Tell these nodes to finish what they run and end. They do not confirm it.

        Raises:
            BrokerUnreachable: it is not known who has heard it.
        """
        async with self._connection.asking() as client:
            await client.publish(
                self._keys.pidbox_channel, self._message(_Request(method="shutdown"), nodes)
            )

    async def _seen(
        self,
        nodes: frozenset[NodeName],
        accept: Callable[[NodeName, frozenset[ConsumedQueue]], bool],
    ) -> frozenset[NodeName]:
        """The nodes whose consumed queues are accepted in time."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._answer_limit_s
        request = _Request(method="active_queues")
        seen: frozenset[NodeName] = frozenset()
        while seen != nodes and loop.time() < deadline_s:
            replies = await self._call([request], nodes - seen)
            seen |= {
                node
                for node, given in replies.items()
                if isinstance(found := given.get(request.ticket), list)
                and accept(node, active_queues.parse_queues(node, found))
            }
        return seen

    async def _tell(self, commands: Mapping[NodeName, Sequence[_Request]]) -> frozenset[NodeName]:
        """Send each node its commands; returns the nodes that have confirmed all of theirs.

        Nodes with the same commands hear them together: a pool's workers are usually alike.
        """
        alike: dict[str, list[NodeName]] = defaultdict(list)
        for node, requests in commands.items():
            alike[json.dumps([request.arguments for request in requests])].append(node)
        confirmed: set[NodeName] = set()
        for nodes in alike.values():
            requests = commands[nodes[0]]
            replies = await self._call(requests, nodes)
            confirmed |= {
                node
                for node, given in replies.items()
                if all("ok" in (given.get(request.ticket) or {}) for request in requests)
            }
        return frozenset(confirmed)

    async def _call(
        self, requests: Sequence[_Request], nodes: Collection[NodeName]
    ) -> Mapping[NodeName, Mapping[str, Reply]]:
        """The replies by node and ticket, as far as they came in time."""
        if not nodes or not requests:
            return {}
        us = str(uuid4())
        await self._publish(requests, nodes, reply_to=us)
        try:
            return await self._collect(us, count=len(requests) * len(nodes))
        finally:
            # Kombu's sweep takes it within the hour where this fails.
            with suppress(BrokerUnreachable):
                await self._unbind(us)

    async def _publish(
        self, requests: Sequence[_Request], nodes: Collection[NodeName], *, reply_to: str
    ) -> None:
        deadline_ms = int((self._clock() + _BINDING_KEPT_S) * 1000)
        async with self._connection.asking() as client:
            pipeline = client.pipeline(transaction=False)
            pipeline.sadd(self._keys.reply_bindings, _binding(reply_to))
            pipeline.zadd(
                self._keys.binding_deadlines, {keys.PIDBOX_REPLY_EXCHANGE: deadline_ms}, gt=True
            )
            for request in requests:
                message = self._message(request, nodes, reply_to=reply_to)
                pipeline.publish(self._keys.pidbox_channel, message)
            await pipeline.execute()

    def _message(
        self, request: _Request, nodes: Collection[NodeName], *, reply_to: str | None = None
    ) -> str:
        body: dict[str, object] = {
            "method": request.method,
            "arguments": request.arguments,
            "destination": list(nodes),
            "pattern": None,
            "matcher": None,
        }
        if reply_to is not None:
            reply = {"exchange": keys.PIDBOX_REPLY_EXCHANGE, "routing_key": reply_to}
            body |= {"ticket": request.ticket, "reply_to": reply}
        return envelope.build_message(
            body,
            exchange=keys.PIDBOX_EXCHANGE,
            headers={"clock": 0, "expires": 0},
        )

    async def _collect(self, us: str, *, count: int) -> Mapping[NodeName, Mapping[str, Reply]]:
        replies: dict[NodeName, dict[str, Reply]] = defaultdict(dict)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._answer_limit_s
        while count > 0 and (left_s := deadline_s - loop.time()) > 0:
            async with self._connection.asking(timeout_s=left_s + ANSWER_TIMEOUT_S) as client:
                found = await client.brpop([self._keys.reply_queue(us)], timeout=left_s)
            if found is not None:
                count -= 1
                for node, ticket, reply in _replies(found[1]):
                    replies[node][ticket] = reply
        return replies

    async def _unbind(self, us: str) -> None:
        async with self._connection.asking() as client:
            pipeline = client.pipeline(transaction=False)
            pipeline.srem(self._keys.reply_bindings, _binding(us))
            pipeline.delete(self._keys.reply_queue(us))
            await pipeline.execute()


def _binding(us: str) -> str:
    return keys.binding_member(routing_key=us, queue=keys.reply_queue_name(us))


def _replies(message: bytes | str) -> Sequence[tuple[NodeName, str, Reply]]:
    try:
        headers, body = envelope.parse_message(message)
    except InvalidInput:
        return ()
    ticket = str(headers.get("ticket"))
    return [(NodeName(node), ticket, reply) for node, reply in body.items()]


def _answer(node: NodeName, given: Mapping[str, Reply], *, now_s: float) -> NodeAnswer | None:
    """`None` when a reply is missing: a worker that half answers is not known to be idle."""
    lists = [given[method] for method in ("active", "reserved", "scheduled", "active_queues")]
    if not all(isinstance(found, list) for found in lists):
        return None
    active, reserved, scheduled, consumed = lists
    queues = active_queues.parse_queues(node, consumed)
    return NodeAnswer(
        node=node,
        answered_at_s=now_s,
        active=len(active),
        reserved=len(reserved),
        scheduled=len(scheduled),
        queues=_names(queue for queue in queues if not queue.is_private),
        private_queues=_names(queue for queue in queues if queue.is_private),
        slots=_slots(given["stats"]),
    )


def _names(queues: Iterable[ConsumedQueue]) -> frozenset[QueueName]:
    return frozenset(queue.name for queue in queues)


def _declaration(queue: ConsumedQueue) -> dict[str, str]:
    """The arguments of `add_consumer`. A worker that knows the queue goes by the name alone."""
    declared = {
        "queue": queue.name,
        "exchange": queue.exchange,
        "exchange_type": queue.exchange_type,
        "routing_key": queue.routing_key,
    }
    return {name: value for name, value in declared.items() if value is not None}


def _began_at_s(stats: Reply, *, now_s: float) -> float | None:
    try:
        return now_s - float(stats["uptime"])
    except (KeyError, TypeError, ValueError):
        return None


def _slots(stats: Reply) -> int | None:
    try:
        return int(stats["pool"]["max-concurrency"])
    except (KeyError, TypeError, ValueError):
        return None
