"""Keeps revoked task ids while workers come and go, and hands them to workers that start.

Revokes are broadcast, so they are heard as workers hear them. A worker that starts asks all others
for what they know (mingle, on by default) before it consumes: it gets an answer from here too. One
that does not ask is told once it is heard.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from app.broker.connections.connection import Connection, Published
from app.broker.messages import envelope
from app.broker.model import NodeName
from app.broker.redis_keys import Keys
from app.broker.workers.heartbeats import Heartbeats
from app.broker.workers.remote_control import RemoteControl
from app.broker.workers.revoked import Newcomers, RevokedIds
from app.errors import BrokerRefused, BrokerUnreachable, InvalidInput
from app.telemetry.logs import OutageLog

RETRY_S = 1.0
REFUSED_RETRY_S = 60.0
TELL_S = 1.0
IDS_A_MESSAGE = 1_000
REPLY_KEPT_S = 60
"""A worker waits for a second for answers; what comes too late is gone after this."""

logger = logging.getLogger(__name__)

Json = Any  # a JSON value: the type system has no better word for it


class Revocations:
    """What was revoked in one application."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        *,
        heartbeats: Heartbeats,
        workers: RemoteControl,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._keys = layout
        self._heartbeats = heartbeats
        self._workers = workers
        self._clock = clock
        self._name = NodeName(f"celeriac-{uuid4()}@revocations")
        self._online_channels = layout.event_channels("worker.online")
        self._outage_log = OutageLog(
            logger=logger,
            began="revoked tasks are not followed",
            ended="revoked tasks are followed again",
        )
        self._revoked = RevokedIds()
        self._newcomers = Newcomers()

    def current(self) -> tuple[str, ...]:
        """The ids that are revoked, the oldest first."""
        return self._revoked.current(now_s=self._clock())

    def by_time(self) -> Mapping[str, float]:
        """The same with the moments at which they were heard of, for `restore`."""
        return self._revoked.by_time(now_s=self._clock())

    def restore(self, by_time: Mapping[str, float]) -> None:
        """Take what another run has heard of."""
        for task_id, at_s in sorted(by_time.items(), key=lambda item: item[1]):
            self._revoked.add([task_id], at_s=at_s)

    def note_informed(self, node: NodeName) -> None:
        """This worker starts with all that is known now."""
        self._newcomers.note_informed(node, at_s=self._clock())

    async def run(self) -> None:
        """Listen and tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="revocations")
            group.create_task(self._keep_telling(), name="workers that start")

    async def _listen(self) -> None:
        while True:
            pause_s = RETRY_S
            try:
                await self._receive()
            except BrokerUnreachable as exc:
                logger.debug("revocations interrupted", extra={"reason": str(exc)})
                if isinstance(exc, BrokerRefused) and await self._connection.answers():
                    # An ACL without these channels: nothing else depends on them.
                    self._outage_log.failed(str(exc))
                    pause_s = REFUSED_RETRY_S
            except Exception:
                logger.exception("revocations failed")
            await asyncio.sleep(pause_s)

    async def _receive(self) -> None:
        channels = (*self._keys.pidbox_channels, *self._online_channels)
        async with aclosing(self._connection.subscribe(channels)) as published:
            async for message in published:
                if message.data is None:
                    self._outage_log.worked()
                else:
                    await self._take(message, message.data)

    async def _take(self, message: Published, data: bytes) -> None:
        try:
            found = envelope.parse_envelope(data)
            body = found.open()
        except InvalidInput:
            return
        if not isinstance(body, dict):
            return
        if message.channel in self._online_channels:
            self._newcomers.note_start(NodeName(str(body.get("hostname"))))
            return
        method, arguments = body.get("method"), body.get("arguments")
        if not isinstance(arguments, dict):
            return
        if method == "revoke" and _is_for_all(body):
            self._note(arguments.get("task_id"))
        elif method == "hello":
            self._note(arguments.get("revoked"))
            await self._answer(
                NodeName(str(arguments.get("from_node"))), body, content_type=found.content_type
            )

    def _note(self, task_ids: Json) -> None:
        self._revoked.add(parse_ids(task_ids), at_s=self._clock())

    async def _answer(
        self, node: NodeName, request: Mapping[str, Json], *, content_type: str
    ) -> None:
        """Tell a worker that starts what it would hear from another worker, in its own words: one
        that does not accept the content type would not start."""
        now_s, reply_to = self._clock(), request.get("reply_to")
        known = self._revoked.current(now_s=now_s)
        if not known or not isinstance(reply_to, dict):
            return
        ticket = str(request.get("ticket"))
        message = envelope.build_message(
            {self._name: {"revoked": list(known)}},
            exchange=self._keys.reply_exchange,
            routing_key=str(reply_to.get("routing_key")),
            headers={"ticket": ticket, "clock": 0},
            content_type=content_type,
        )
        queue = self._keys.reply_queue(str(reply_to.get("routing_key")))
        try:
            async with self._connection.asking() as client:
                await client.lpush(queue, message)
                await client.expire(queue, REPLY_KEPT_S)
        except BrokerUnreachable as exc:  # it is told once it is heard
            logger.debug("a worker was not answered", extra={"reason": str(exc)})
            return
        self._newcomers.note_informed(node, at_s=now_s)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            try:
                await self._tell()
            except BrokerUnreachable:
                continue  # they are told once it is back
            except Exception:
                logger.exception("workers that start were not told of revoked tasks")

    async def _tell(self) -> None:
        now_s = self._clock()
        due = self._newcomers.due(self._heartbeats.current(), self._revoked, now_s=now_s)
        alike: dict[tuple[str, ...], list[NodeName]] = {}
        for node, task_ids in due.items():
            alike.setdefault(task_ids, []).append(node)
        for task_ids, nodes in alike.items():
            for node in await self._told(nodes, task_ids):
                self._newcomers.note_informed(node, at_s=now_s)

    async def _told(self, nodes: Sequence[NodeName], task_ids: Sequence[str]) -> set[NodeName]:
        """Those of the nodes that have confirmed all of it."""
        left = set(nodes)
        for start in range(0, len(task_ids), IDS_A_MESSAGE):
            left &= await self._workers.revoke(left, task_ids[start : start + IDS_A_MESSAGE])
        return left


def parse_ids(given: Json) -> list[str]:
    """The ids of a request: one, several, or with the times at which workers heard of them.

    >>> parse_ids("a"), parse_ids(["a", "b", 3]), parse_ids({"a": [1.5, "a"]}), parse_ids(None)
    (['a'], ['a', 'b'], ['a'], [])
    """
    if isinstance(given, str):
        return [given]
    found: Iterable[Json] = given if isinstance(given, list | tuple | set | dict) else ()
    return [one for one in found if isinstance(one, str)]


def _is_for_all(request: Mapping[str, Json]) -> bool:
    """Not a request to some workers, such as our own to one that starts."""
    return not request.get("destination") and not request.get("pattern")
