"""What is held for one worker alone, in queues that no other worker consumes (`worker_direct`)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.broker.connections.connection import Connection
from app.broker.keys import Keys
from app.broker.model import NodeAnswer, QueueReading
from app.broker.queues.depth import DepthReader


class PrivateQueues:
    """Counts the messages of private queues. What is broadcast is in no queue of the broker."""

    def __init__(self, connection: Connection, layout: Keys, *, clock: Callable[[], float]) -> None:
        self._depth = DepthReader(connection, layout)
        self._clock = clock

    async def count(self, answers: Sequence[NodeAnswer]) -> Sequence[NodeAnswer]:
        """The answers with their `private_messages`.

        Raises:
            BrokerUnreachable: no answer.
        """
        names = sorted({name for one in answers for name in one.private_queues})
        if not names:
            return answers
        found = await self._depth.read(names, now_s=self._clock(), horizon_s=0.0)
        return [
            replace(one, private_messages=sum(_held(found[name]) for name in one.private_queues))
            for one in answers
        ]


def _held(reading: QueueReading) -> int:
    """Where it is not known yet what workers have fetched, it may be one of these."""
    return reading.ready + (reading.unacked if reading.unacked is not None else 1)
