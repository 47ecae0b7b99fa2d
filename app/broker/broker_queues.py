"""One application's queues and heartbeats on one broker, read together."""

from collections.abc import Callable, Collection

from app.broker.connections.connection import Connection
from app.broker.keys import Keys
from app.broker.model import BrokerReading, Elsewhere
from app.broker.queues.depth import DepthReader
from app.broker.queues.name_reader import NameReader
from app.broker.workers.content_negotiation import Dialects
from app.broker.workers.heartbeats import Heartbeats
from app.broker.workers.survey import Survey
from app.queues import QueueName

DUE_SOON_S = 30.0
"""ETA tasks due within this are work to come: a worker is there in less."""


class BrokerQueues:
    """Reads depth from the broker and joins what was heard of its workers."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        heartbeats: Heartbeats,
        *,
        clock: Callable[[], float],
        dialects: Dialects | None = None,
        survey: Survey | None = None,
    ) -> None:
        self._depth = DepthReader(connection, layout)
        self._names = NameReader(connection, layout)
        self._heartbeats = heartbeats
        self._clock = clock
        self._dialects = dialects if dialects is not None else Dialects()
        self._survey = survey

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        """Read these queues and all known heartbeats in one round trip.

        Raises:
            BrokerUnreachable: nothing is known; never an empty or partial reading instead.
        """
        now_s = self._clock()
        depths = await self._depth.read(tuple(queues), now_s=now_s, horizon_s=DUE_SOON_S)
        self._dialects.note_queued(self._depth.content_types)
        heartbeats = self._heartbeats.current()
        return BrokerReading(
            read_at_s=now_s,
            queues=depths,
            misnamed=await self._names.misnamed(
                tuple(queues), is_heard=bool(heartbeats), now_s=now_s
            ),
            heartbeats=heartbeats,
            listening_since_s=self._heartbeats.listening_since_s,
            troubles=self._dialects.troubles(),
            unreadable_events=self._heartbeats.unreadable,
            elsewhere=self._survey.found if self._survey is not None else Elsewhere(),
        )
