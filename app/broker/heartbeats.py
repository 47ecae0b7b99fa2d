"""The heartbeats that every Celery worker sends (every 2 s, without any setting), as they come in;
with them, for those who want them, the events of tasks.

They are broadcast: nobody is asked, and nothing waits for a worker that is busy. An event carries
the worker's node name, how many tasks it runs and how many it has accepted since it started
(`celery.worker.heartbeat`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing

from app.broker import envelope, task_events
from app.broker.connection import Connection
from app.broker.keys import Keys
from app.broker.model import Heartbeat, NodeName
from app.broker.task_events import TaskEvent
from app.errors import BrokerUnreachable, InvalidInput

NODE_LIMIT = 10_000
"""Workers that are remembered; the one that was silent for the longest is forgotten first."""
RETRY_S = 1.0

logger = logging.getLogger(__name__)


class Heartbeats:
    """Keeps the last heartbeat of each worker of one application."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        *,
        clock: Callable[[], float],
        on_task: Callable[[TaskEvent], None] | None = None,
        node_limit: int = NODE_LIMIT,
    ) -> None:
        """`on_task` is called with each event of a task; without it none is subscribed to."""
        self._connection = connection
        self._on_task = on_task
        self._node_limit = node_limit
        self._channels = {
            layout.event_channel(f"worker.{kind}"): kind
            for kind in ("online", "heartbeat", "offline")
        }
        self._task_channels = frozenset(
            layout.event_channel(key) for key in task_events.ROUTING_KEYS if on_task is not None
        )
        self._clock = clock
        self._last: dict[NodeName, Heartbeat] = {}
        self.listening_since_s: float | None = None
        """Since when heartbeats are received without a gap."""

    def current(self) -> Mapping[NodeName, Heartbeat]:
        """The last heartbeat of each worker that has not said goodbye."""
        return dict(self._last)

    async def listen(self) -> None:
        """Receive until cancelled. A connection that breaks is made again."""
        while True:
            try:
                await self._receive()
            except BrokerUnreachable as exc:
                logger.warning("heartbeats interrupted", extra={"reason": str(exc)})
            except Exception:
                logger.exception("heartbeats failed")
            finally:
                self.listening_since_s = None
            await asyncio.sleep(RETRY_S)

    async def _receive(self) -> None:
        channels = (*self._channels, *self._task_channels)
        async with aclosing(self._connection.subscribe(channels)) as published:
            async for message in published:
                if message.data is None:
                    self.listening_since_s = self._clock()
                elif message.channel in self._task_channels:
                    self._pass_on(message.data)
                else:
                    self._note(message.data, kind=self._channels[message.channel])

    def _pass_on(self, data: bytes) -> None:
        try:
            events = task_events.parse_events(data)
        except InvalidInput:
            logger.debug("not a task event")
            return
        if self._on_task is not None:
            for event in events:
                self._on_task(event)

    def _note(self, data: bytes, *, kind: str) -> None:
        try:
            heartbeat = parse_event(data, now_s=self._clock())
        except InvalidInput:
            logger.debug("not a worker event", extra={"kind": kind})
            return
        # Taken out first: the dictionary stays in the order of the last heartbeat.
        self._last.pop(heartbeat.node, None)
        if kind != "offline":
            self._last[heartbeat.node] = heartbeat
        while len(self._last) > self._node_limit:
            del self._last[next(iter(self._last))]


def parse_event(data: bytes, *, now_s: float) -> Heartbeat:
    """Read a worker event, received at `now_s`.

    Raises:
        InvalidInput: it is not one.
    """
    _, body = envelope.parse_message(data)
    try:
        return Heartbeat(
            node=NodeName(body["hostname"]),
            active=int(body["active"]),
            processed=int(body["processed"]),
            seen_at_s=now_s,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInput("not a heartbeat of a Celery worker") from exc
