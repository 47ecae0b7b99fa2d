"""One application on one broker: connection, heartbeats, queues, remote control, revocations."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress

from app.broker.connections.address import Address, Sentinels
from app.broker.connections.connection import Connection
from app.broker.model import BrokerReading, Elsewhere
from app.broker.queues.declared_names import NameReader
from app.broker.queues.depth import DepthReader
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges, Keys
from app.broker.workers.content_negotiation import ContentNegotiation
from app.broker.workers.heartbeats import Heartbeats
from app.broker.workers.pidbox import ANSWER_LIMIT_S
from app.broker.workers.remote_control import RemoteControl
from app.broker.workers.revocations import Revocations
from app.broker.workers.survey import Survey
from app.broker.workers.task_events import TaskEvent
from app.queues import QueueName

DUE_SOON_S = 30.0
"""ETA tasks that are due within this count as demand: a new worker is ready in less."""


class BrokerQueues:
    """Reads queue depths from the broker, joined with the heartbeats of its workers."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        heartbeats: Heartbeats,
        *,
        clock: Callable[[], float],
        negotiation: ContentNegotiation | None = None,
        survey: Survey | None = None,
    ) -> None:
        self._depth = DepthReader(connection, layout)
        self._names = NameReader(connection, layout)
        self._heartbeats = heartbeats
        self._clock = clock
        self._negotiation = negotiation if negotiation is not None else ContentNegotiation()
        self._survey = survey

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        """Read these queues and all known heartbeats in one round trip.

        Raises:
            BrokerUnreachable: there is no reading; an empty or partial one is never returned.
        """
        now_s = self._clock()
        depths = await self._depth.read(tuple(queues), now_s=now_s, horizon_s=DUE_SOON_S)
        self._negotiation.note_queued(self._depth.content_types)
        heartbeats = self._heartbeats.current()
        return BrokerReading(
            read_at_s=now_s,
            queues=depths,
            misnamed=await self._names.misnamed(
                tuple(queues), has_heartbeats=bool(heartbeats), now_s=now_s
            ),
            heartbeats=heartbeats,
            listening_since_s=self._heartbeats.listening_since_s,
            troubles=self._negotiation.troubles(),
            unreadable_events=self._heartbeats.unreadable,
            elsewhere=self._survey.found if self._survey is not None else Elsewhere(),
        )


class Link:
    """The parts for one application on one broker, and the asyncio tasks that listen for them."""

    def __init__(
        self,
        address: Address,
        *,
        key_prefix: str = "",
        exchanges: Exchanges = CELERY_EXCHANGES,
        clock: Callable[[], float],
        on_task: Callable[[TaskEvent], None] | None = None,
        has_revocations: bool = False,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        """With `has_revocations`, revoked task ids are kept for workers that start later. Workers
        that do not answer within `answer_limit_s` are left out of answers."""
        self.keys = Keys(
            db=address.db,
            prefix=key_prefix,
            exchanges=exchanges,
            is_sentinel=isinstance(address.place, Sentinels),
        )
        self.address = address
        self.connection = Connection(address)
        negotiation = ContentNegotiation()
        self._heartbeats = Heartbeats(
            self.connection, self.keys, clock=clock, negotiation=negotiation, on_task=on_task
        )
        self._survey = Survey(self.connection, self.keys)
        self.queues = BrokerQueues(
            self.connection,
            self.keys,
            self._heartbeats,
            clock=clock,
            negotiation=negotiation,
            survey=self._survey,
        )
        self.workers = RemoteControl(
            self.connection,
            self.keys,
            clock=clock,
            negotiation=negotiation,
            answer_limit_s=answer_limit_s,
        )
        self.revocations = Revocations(
            self.connection,
            self.keys,
            heartbeats=self._heartbeats,
            workers=self.workers,
            clock=clock,
        )
        self._has_revocations = has_revocations
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Start to receive heartbeats. The broker may be unavailable: it is retried."""
        self._spawn(self._heartbeats.listen(), name=f"heartbeats of {self.address}")
        self._spawn(self._survey.run(), name=f"survey of {self.address}")
        if self._has_revocations:
            self._spawn(self.revocations.run(), name=f"revocations of {self.address}")

    def survey(self) -> None:
        """Request a search for workers that this broker has under other names."""
        self._survey.request()

    async def close(self) -> None:
        """Stop listening, and close the connection."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.connection.close()

    def _spawn(self, work: Coroutine[None, None, None], *, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))
