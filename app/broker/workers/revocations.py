"""Keeps revoked task ids while workers come and go, and sends them to workers that start.

Revokes are broadcast, so they are received here as by workers. Celery keeps revoked ids only in the
memory of workers. A worker that starts asks all others for their ids before it consumes (mingle, on
by default), and gets an answer from here too. One that does not ask gets the ids after its first
heartbeat.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from app.broker.connections.connection import Connection, Published
from app.broker.messages import envelope
from app.broker.model import Heartbeat, NodeName
from app.broker.redis_keys import Keys
from app.broker.workers.heartbeats import Heartbeats
from app.broker.workers.remote_control import RemoteControl
from app.errors import BrokerRefused, BrokerUnreachable, InvalidInput
from app.telemetry.logs import OutageLog

RETRY_S = 1.0
REFUSED_RETRY_S = 60.0
SEND_INTERVAL_S = 1.0
IDS_PER_MESSAGE = 1_000
REPLY_KEPT_S = 60
"""A worker waits one second for answers. Later ones expire after this time."""

ID_LIMIT = 50_000
"""Maximum number of ids, as in Celery's workers (REVOKES_MAX); the oldest is dropped first."""
ID_LIFETIME_S = 10_800.0
"""How long an id is kept, as in Celery's workers (REVOKE_EXPIRES)."""
SUBSCRIBED_WITHIN_S = 5.0
"""How long after its first event a worker has certainly subscribed to broadcasts. The event comes
before the subscription."""
CONTACT_S = 10.0
"""A worker with a heartbeat within this time can receive commands."""
RESEND_S = 5.0

logger = logging.getLogger(__name__)

Json = Any  # a JSON value


@dataclass(slots=True)
class RevokedIds:
    """Revoked ids, by the time when each was last received."""

    _received_at_s: dict[str, float] = field(default_factory=dict)

    def add(self, task_ids: Iterable[str], *, at_s: float) -> None:
        """Add these ids. Known ones get the new time."""
        for task_id in task_ids:
            self._received_at_s.pop(task_id, None)
            self._received_at_s[task_id] = at_s
        while len(self._received_at_s) > ID_LIMIT:
            del self._received_at_s[next(iter(self._received_at_s))]

    def current(self, *, now_s: float) -> tuple[str, ...]:
        """All ids that have not expired, the oldest first."""
        self._expire(now_s=now_s)
        return tuple(self._received_at_s)

    def between(self, after_s: float, until_s: float, *, now_s: float) -> tuple[str, ...]:
        """The ids received after one time and until another, the oldest first."""
        self._expire(now_s=now_s)
        found = []
        for task_id, at_s in reversed(self._received_at_s.items()):
            if at_s <= after_s:
                break
            if at_s <= until_s:
                found.append(task_id)
        return tuple(reversed(found))

    def by_time(self, *, now_s: float) -> Mapping[str, float]:
        """All ids that have not expired, with their times, to be saved."""
        self._expire(now_s=now_s)
        return dict(self._received_at_s)

    def _expire(self, *, now_s: float) -> None:
        for task_id in tuple(self._received_at_s):
            if now_s - self._received_at_s[task_id] <= ID_LIFETIME_S:
                return
            del self._received_at_s[task_id]


@dataclass(slots=True)
class StartedWorker:
    """A worker that may lack revoked ids."""

    first_seen_at_s: float
    sent_at_s: float | None = None
    is_done: bool = False


@dataclass(slots=True)
class StartedWorkers:
    """Which ids to send to which workers."""

    _nodes: dict[NodeName, StartedWorker] = field(default_factory=dict)
    _informed_at_s: dict[NodeName, float] = field(default_factory=dict)

    def note_start(self, node: NodeName) -> None:
        """Note that this worker has just started, perhaps under a former worker's name."""
        self._nodes.pop(node, None)

    def note_informed(self, node: NodeName, *, at_s: float) -> None:
        """Note that this worker knows all ids received until then."""
        self._informed_at_s[node] = at_s

    def due(
        self, heartbeats: Mapping[NodeName, Heartbeat], revoked: RevokedIds, *, now_s: float
    ) -> dict[NodeName, tuple[str, ...]]:
        """The ids to send now, by worker."""
        self._nodes = {node: one for node, one in self._nodes.items() if node in heartbeats}
        found: dict[NodeName, tuple[str, ...]] = {}
        for node, heartbeat in heartbeats.items():
            worker = self._nodes.setdefault(node, StartedWorker(first_seen_at_s=now_s))
            is_silent = now_s - heartbeat.seen_at_s > CONTACT_S
            if worker.is_done or is_silent or not _is_due(worker, now_s=now_s):
                continue
            listens_at_s = worker.first_seen_at_s + SUBSCRIBED_WITHIN_S
            missed = revoked.between(self._informed_at_s.get(node, 0.0), listens_at_s, now_s=now_s)
            if missed:
                worker.sent_at_s = now_s
                found[node] = missed
            elif now_s > listens_at_s:
                worker.is_done = True
                self._informed_at_s.pop(node, None)
        return found


def _is_due(worker: StartedWorker, *, now_s: float) -> bool:
    return worker.sent_at_s is None or now_s - worker.sent_at_s >= RESEND_S


class Revocations:
    """The revoked ids of one application."""

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
        self._started_workers = StartedWorkers()

    def current(self) -> tuple[str, ...]:
        """All revoked ids, the oldest first."""
        return self._revoked.current(now_s=self._clock())

    def by_time(self) -> Mapping[str, float]:
        """All revoked ids with the times when they were received, for `restore`."""
        return self._revoked.by_time(now_s=self._clock())

    def restore(self, by_time: Mapping[str, float]) -> None:
        """Add the ids of another run."""
        for task_id, at_s in sorted(by_time.items(), key=lambda item: item[1]):
            self._revoked.add([task_id], at_s=at_s)

    def note_informed(self, node: NodeName) -> None:
        """Note that this worker starts with all current ids."""
        self._started_workers.note_informed(node, at_s=self._clock())

    async def run(self) -> None:
        """Receive and send ids until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="revocations")
            group.create_task(self._send_to_started(), name="workers that start")

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
            self._started_workers.note_start(NodeName(str(body.get("hostname"))))
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
        """Answer a worker that starts as another worker would, in the content type of its request:
        it would not start with one that it does not accept."""
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
        except BrokerUnreachable as exc:  # it gets the ids after its first heartbeat
            logger.debug("a worker was not answered", extra={"reason": str(exc)})
            return
        self._started_workers.note_informed(node, at_s=now_s)

    async def _send_to_started(self) -> None:
        while True:
            await asyncio.sleep(SEND_INTERVAL_S)
            try:
                await self._send_due()
            except BrokerUnreachable:
                continue  # they get the ids once the broker is back
            except Exception:
                logger.exception("revoked tasks were not sent to workers that start")

    async def _send_due(self) -> None:
        now_s = self._clock()
        due = self._started_workers.due(self._heartbeats.current(), self._revoked, now_s=now_s)
        alike: dict[tuple[str, ...], list[NodeName]] = {}
        for node, task_ids in due.items():
            alike.setdefault(task_ids, []).append(node)
        for task_ids, nodes in alike.items():
            for node in await self._confirmed(nodes, task_ids):
                self._started_workers.note_informed(node, at_s=now_s)

    async def _confirmed(self, nodes: Sequence[NodeName], task_ids: Sequence[str]) -> set[NodeName]:
        """Send ids; returns the nodes that have confirmed all of them."""
        left = set(nodes)
        for start in range(0, len(task_ids), IDS_PER_MESSAGE):
            left &= await self._workers.revoke(left, task_ids[start : start + IDS_PER_MESSAGE])
        return left


def parse_ids(given: Json) -> list[str]:
    """Parse the ids of a request: one, several, or with the times when workers received them.

    >>> parse_ids("a"), parse_ids(["a", "b", 3]), parse_ids({"a": [1.5, "a"]}), parse_ids(None)
    (['a'], ['a', 'b'], ['a'], [])
    """
    if isinstance(given, str):
        return [given]
    found: Iterable[Json] = given if isinstance(given, list | tuple | set | dict) else ()
    return [one for one in found if isinstance(one, str)]


def _is_for_all(request: Mapping[str, Json]) -> bool:
    """Whether all workers are addressed, unlike by our own requests to those that start."""
    return not request.get("destination") and not request.get("pattern")
