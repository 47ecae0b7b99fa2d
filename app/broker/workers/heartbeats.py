"""Receives the heartbeats of Celery workers and, on request, the events of tasks.

Every worker broadcasts a heartbeat every 2 s by default, even when it is busy. The event contains
the worker's node name, its running tasks and the number of tasks that it has accepted since its
start (`celery.worker.heartbeat`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.broker.connections.connection import Connection
from app.broker.messages import envelope
from app.broker.messages.envelope import Envelope
from app.broker.model import Heartbeat, NodeName
from app.broker.redis_keys import Keys
from app.broker.workers import task_events
from app.broker.workers.content_negotiation import ContentNegotiation
from app.broker.workers.task_events import TaskEvent
from app.errors import BrokerUnreachable, InvalidInput
from app.telemetry.logs import OutageLog

NODE_LIMIT = 10_000
"""Maximum number of workers; the one with the oldest heartbeat is dropped first."""
RETRY_S = 1.0
WORKER_KINDS = ("online", "heartbeat", "offline")

logger = logging.getLogger(__name__)


class Heartbeats:
    """Keeps the last heartbeat of each worker of one application."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        *,
        clock: Callable[[], float],
        negotiation: ContentNegotiation | None = None,
        on_task: Callable[[TaskEvent], None] | None = None,
        node_limit: int = NODE_LIMIT,
    ) -> None:
        """`on_task` is called with each event of a task. Without it, none is subscribed to."""
        self._connection = connection
        self._negotiation = negotiation if negotiation is not None else ContentNegotiation()
        self._on_task = on_task
        self._node_limit = node_limit
        keys = [f"worker.{kind}" for kind in WORKER_KINDS]
        keys += task_events.ROUTING_KEYS if on_task is not None else ()
        # The exchange itself too: without `fanout_patterns`, events have no routing key.
        self._channels = tuple(name for key in (*keys, "") for name in layout.event_channels(key))
        self._clock = clock
        self._outage_log = OutageLog(
            logger=logger,
            began="no heartbeats from a broker that answers",
            ended="heartbeats are received again",
            tolerated_failures=1,  # it may have come back just now
        )
        self._last: dict[NodeName, Heartbeat] = {}
        self.listening_since_s: float | None = None
        """Since when heartbeats are received without a gap."""
        self.unreadable: str | None = None
        """Why the last event could not be read."""

    def current(self) -> Mapping[NodeName, Heartbeat]:
        """The last heartbeat of each worker that has not gone offline."""
        return dict(self._last)

    async def listen(self) -> None:
        """Receive until cancelled, and reconnect when the connection breaks.

        Logs only a broker that answers and sends no events: an outage is logged by the reader of
        its queues.
        """
        while True:
            try:
                await self._receive()
            except BrokerUnreachable as exc:
                logger.debug("heartbeats interrupted", extra={"reason": str(exc)})
                self.listening_since_s = None
                if await self._connection.answers():
                    self._outage_log.failed(str(exc))
            except Exception:
                logger.exception("heartbeats failed")
            finally:
                self.listening_since_s = None
            await asyncio.sleep(RETRY_S)

    async def _receive(self) -> None:
        async with aclosing(self._connection.subscribe(self._channels)) as published:
            async for message in published:
                if message.data is None:
                    self.listening_since_s = self._clock()
                    self._outage_log.worked()
                else:
                    self._take(message.data, channel=message.channel)

    def _take(self, data: bytes, *, channel: str) -> None:
        try:
            found = envelope.parse_envelope(data)
            body = found.open()
        except InvalidInput as exc:
            self.unreadable = str(exc)
            logger.debug("not an event", extra={"channel": channel, "reason": str(exc)})
            return
        self.unreadable = None
        kind = _worker_kind(channel, body)
        if kind is None:
            self._pass_on(body)
        else:
            self._note(found, body, kind=kind)

    def _pass_on(self, body: Any) -> None:  # plain values of another program
        if self._on_task is not None:
            for event in task_events.of_body(body):
                self._on_task(event)

    def _note(self, found: Envelope, body: Any, *, kind: str) -> None:
        try:
            heartbeat = parse_heartbeat(body, now_s=self._clock())
        except InvalidInput:
            logger.debug("not a worker event", extra={"kind": kind})
            return
        self._negotiation.note_event(found.content_type)
        # Removed first, so that the dictionary keeps the order of heartbeats.
        before = self._last.pop(heartbeat.node, None)
        if kind != "offline":
            self._last[heartbeat.node] = _joined(before, heartbeat, is_online=kind == "online")
        while len(self._last) > self._node_limit:
            del self._last[next(iter(self._last))]


def _worker_kind(channel: str, body: Any) -> str | None:
    """The kind of a worker's event, by its routing key or type; `None` for other events."""
    kind = str(body.get("type", "")) if isinstance(body, dict) else ""
    for known in WORKER_KINDS:
        if channel.endswith(f"/worker.{known}") or kind == f"worker-{known}":
            return known
    return None


def _joined(before: Heartbeat | None, latest: Heartbeat, *, is_online: bool) -> Heartbeat:
    """The latest heartbeat with facts from earlier ones."""
    first_seen_at_s = before.first_seen_at_s if before is not None else latest.seen_at_s
    online_at_s = before.online_at_s if before is not None else None
    return replace(
        latest,
        first_seen_at_s=first_seen_at_s,
        online_at_s=latest.seen_at_s if is_online else online_at_s,
    )


def parse_heartbeat(body: Any, *, now_s: float) -> Heartbeat:  # plain values of other programs
    """Parse the body of a worker event that was received at `now_s`.

    Raises:
        InvalidInput: it is not a worker event.
    """
    try:
        return Heartbeat(
            node=NodeName(str(body["hostname"])),
            active=int(body["active"]),
            processed=int(body["processed"]),
            seen_at_s=now_s,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise InvalidInput("not a heartbeat of a Celery worker") from exc
