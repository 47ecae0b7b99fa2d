"""The way to one application on one broker: connection, heartbeats, queues, remote control."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from app.broker.address import Address, Sentinels
from app.broker.connection import Connection
from app.broker.dialects import Dialects
from app.broker.heartbeats import Heartbeats
from app.broker.keys import CELERY_EXCHANGES, Exchanges, Keys
from app.broker.queues import BrokerQueues
from app.broker.remote_control import RemoteControl
from app.broker.task_events import TaskEvent


class Link:
    """Holds what belongs together, and the task that receives heartbeats."""

    def __init__(
        self,
        address: Address,
        *,
        key_prefix: str = "",
        exchanges: Exchanges = CELERY_EXCHANGES,
        clock: Callable[[], float],
        on_task: Callable[[TaskEvent], None] | None = None,
    ) -> None:
        layout = Keys(
            db=address.db,
            prefix=key_prefix,
            exchanges=exchanges,
            is_sentinel=isinstance(address.place, Sentinels),
        )
        self.address = address
        self.connection = Connection(address)
        dialects = Dialects()
        self._heartbeats = Heartbeats(
            self.connection, layout, clock=clock, dialects=dialects, on_task=on_task
        )
        self.queues = BrokerQueues(
            self.connection, layout, self._heartbeats, clock=clock, dialects=dialects
        )
        self.workers = RemoteControl(self.connection, layout, clock=clock, dialects=dialects)
        self._listening: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to receive heartbeats. Connects when it can, also when the broker is away now."""
        self._listening = asyncio.create_task(
            self._heartbeats.listen(), name=f"heartbeats of {self.address}"
        )

    async def close(self) -> None:
        """Stop listening, and close the connection."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await self.connection.close()
