"""Requests to named workers and their replies, by the protocol of Celery's remote control
(`kombu.pidbox`).

A request is broadcast with the names of its recipients. Each of them pushes its reply to a list of
ours, through a binding that exists for the time of the request. Workers that are not named are not
waited for, and busy workers answer too, since their main process does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from app.broker import redis_keys
from app.broker.connections.connection import ANSWER_TIMEOUT_S, Connection
from app.broker.messages import bodies, envelope
from app.broker.model import NodeName
from app.broker.redis_keys import Keys
from app.broker.workers.content_negotiation import ContentNegotiation
from app.errors import BrokerUnreachable, InvalidInput

ANSWER_LIMIT_S = 2.0
"""How long to wait for answers. Live workers took under 50 ms."""

_BINDING_KEPT_S = 3600
"""Kombu's minimum. Its sweep removes our binding if we could not."""

Reply = Any  # what a worker's command returns: plain values without a schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command to named workers."""

    method: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    ticket: str = field(default_factory=lambda: str(uuid4()))


@dataclass(slots=True, kw_only=True)
class _Collected:
    """The replies to one call, by node and ticket."""

    replies: dict[NodeName, dict[str, Reply]] = field(
        default_factory=lambda: defaultdict[NodeName, dict[str, Reply]](dict)
    )
    content_types: dict[NodeName, str] = field(default_factory=dict)
    unreadable: str | None = None
    """Why a reply could not be read. Its sender is unknown then."""

    def add(self, message: bytes | str) -> None:
        try:
            found = envelope.parse_envelope(message)
            body = found.open()
        except InvalidInput as exc:
            self.unreadable = str(exc)
            return
        ticket = str(found.headers.get("ticket"))
        for name, reply in body.items() if isinstance(body, dict) else ():
            node = NodeName(str(name))
            self.replies[node][ticket] = reply
            self.content_types[node] = found.content_type


class Pidbox:
    """The mailbox of one application's workers. Each gets requests in a content type it accepts."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        negotiation: ContentNegotiation,
        *,
        clock: Callable[[], float],
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._connection = connection
        self._keys = layout
        self._negotiation = negotiation
        self._clock = clock
        self._answer_limit_s = answer_limit_s

    async def call(
        self, requests: Sequence[Request], nodes: Collection[NodeName]
    ) -> Mapping[NodeName, Mapping[str, Reply]]:
        """Send requests; returns the replies in time, by node and ticket.

        Silent nodes are not asked each time (`content_negotiation`).

        Raises:
            BrokerUnreachable: no node could be asked.
        """
        if not requests:
            return {}
        asked = self._negotiation.sorted(nodes, now_s=self._clock())
        found = await asyncio.gather(
            *(self._ask(requests, those, content_type=each) for each, those in asked.items())
        )
        return {node: given for replies in found for node, given in replies.items()}

    async def broadcast(
        self, requests: Sequence[Request], *, within_s: float
    ) -> Sequence[Mapping[str, tuple[NodeName, Reply]]]:
        """Ask all workers, known or not; returns each reply in time by its ticket. Workers of the
        same name reply each.

        Raises:
            BrokerUnreachable: no worker could be asked.
        """
        us, found = str(uuid4()), []
        await self._publish(requests, None, reply_to=us, content_type=bodies.JSON)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        try:
            while (left_s := deadline_s - loop.time()) > 0:
                async with self._connection.asking(timeout_s=left_s + ANSWER_TIMEOUT_S) as client:
                    popped = await client.brpop([self._keys.reply_queue(us)], timeout=left_s)
                one = _Collected()
                if popped is not None:
                    one.add(popped[1])
                found += [
                    {ticket: (node, reply)}
                    for node, given in one.replies.items()
                    for ticket, reply in given.items()
                ]
        finally:
            with suppress(BrokerUnreachable):
                await self._unbind(us)
        return found

    def replied_in(self, node: NodeName) -> str | None:
        """Content type of this node's last answer."""
        return self._negotiation.replied_in(node)

    async def _ask(
        self, requests: Sequence[Request], nodes: Sequence[NodeName], *, content_type: str
    ) -> Mapping[NodeName, Mapping[str, Reply]]:
        us = str(uuid4())
        await self._publish(requests, nodes, reply_to=us, content_type=content_type)
        try:
            found = await self._collect(us, count=len(requests) * len(nodes))
        finally:
            # If this fails, kombu's sweep removes it within an hour.
            with suppress(BrokerUnreachable):
                await self._unbind(us)
        self._note(found, nodes, content_type=content_type)
        return found.replies

    def _note(self, found: _Collected, nodes: Sequence[NodeName], *, content_type: str) -> None:
        now_s, reason = self._clock(), found.unreadable
        others = [node for node in nodes if node not in found.replies]
        for node in nodes:
            if node in found.replies:
                self._negotiation.note_answer(
                    node, content_type, replied_in=found.content_types[node]
                )
        if reason is not None:
            self._negotiation.note_unreadable(others, content_type, reason=reason, now_s=now_s)
        else:
            self._negotiation.note_unanswered(others, now_s=now_s)

    async def _publish(
        self,
        requests: Sequence[Request],
        nodes: Collection[NodeName] | None,
        *,
        reply_to: str,
        content_type: str,
    ) -> None:
        deadline_ms = int((self._clock() + _BINDING_KEPT_S) * 1000)
        async with self._connection.asking() as client:
            pipeline = client.pipeline(transaction=False)
            pipeline.sadd(self._keys.reply_bindings, self._binding(reply_to))
            pipeline.zadd(
                self._keys.binding_deadlines, {self._keys.reply_exchange: deadline_ms}, gt=True
            )
            for request in requests:
                message = self._message(
                    request, nodes, reply_to=reply_to, content_type=content_type
                )
                for channel in self._keys.pidbox_channels:
                    pipeline.publish(channel, message)
            await pipeline.execute()

    def _message(
        self,
        request: Request,
        nodes: Collection[NodeName] | None,
        *,
        reply_to: str | None = None,
        content_type: str = bodies.JSON,
    ) -> str:
        body: dict[str, object] = {
            "method": request.method,
            "arguments": dict(request.arguments),
            "destination": list(nodes) if nodes is not None else None,
            "pattern": None,
            "matcher": None,
        }
        if reply_to is not None:
            reply = {"exchange": self._keys.reply_exchange, "routing_key": reply_to}
            body |= {"ticket": request.ticket, "reply_to": reply}
        return envelope.build_message(
            body,
            exchange=self._keys.pidbox_exchange,
            headers={"clock": 0, "expires": 0},
            content_type=content_type,
        )

    async def _collect(self, us: str, *, count: int) -> _Collected:
        found = _Collected()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._answer_limit_s
        while count > 0 and (left_s := deadline_s - loop.time()) > 0:
            async with self._connection.asking(timeout_s=left_s + ANSWER_TIMEOUT_S) as client:
                popped = await client.brpop([self._keys.reply_queue(us)], timeout=left_s)
            if popped is not None:
                count -= 1
                found.add(popped[1])
        return found

    async def _unbind(self, us: str) -> None:
        async with self._connection.asking() as client:
            pipeline = client.pipeline(transaction=False)
            pipeline.srem(self._keys.reply_bindings, self._binding(us))
            pipeline.delete(self._keys.reply_queue(us))
            await pipeline.execute()

    def _binding(self, us: str) -> str:
        return redis_keys.binding_member(routing_key=us, queue=self._keys.reply_queue_name(us))
