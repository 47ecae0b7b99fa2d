"""Searches a broker for the names under which its applications have declared their queues."""

from collections.abc import Sequence
from typing import Any

from redis import asyncio as redis

from app.broker import keys
from app.broker.connections.connection import Connection
from app.broker.keys import Keys
from app.broker.model import MisnamedQueue
from app.broker.queues import declared_names
from app.broker.queues.declared_names import DeclaredName, NameSearch
from app.queues import QueueName

PAUSE_S = 30.0
"""Between two rounds of the search."""


class NameReader:
    """Searches while there is a reason to, a part of the keys each time."""

    def __init__(self, connection: Connection, layout: Keys) -> None:
        self._connection = connection
        self._keys = layout
        self._search = NameSearch()
        self._rests_until_s = 0.0

    async def misnamed(
        self, queues: Sequence[QueueName], *, is_heard: bool, now_s: float
    ) -> tuple[MisnamedQueue, ...]:
        """Of these queues those that were declared under other names only, as far as is known.

        Workers that are heard have our key prefix, so that only their separator is in question.
        A user that may not read these keys learns nothing, and that is not an error.

        Raises:
            BrokerUnreachable: no answer.
        """
        if queues and now_s >= self._rests_until_s:
            async with self._connection.asking() as client:
                cursor, names = 0, self._own(queues)
                if not is_heard:
                    cursor, names = await self._scan(client)
                found = await self._declared(client, names, queues)
            self._search = self._search.after(cursor, found)
            if cursor == 0:
                self._rests_until_s = now_s + PAUSE_S
        return self._search.misnamed(queues, prefix=self._keys.prefix)

    def _own(self, queues: Sequence[QueueName]) -> list[bytes]:
        """The bindings of exchanges that are called like the queues, as Celery calls them."""
        return [keys.encode(f"{self._keys.binding_prefix}{queue}") for queue in queues]

    async def _scan(self, client: "redis.Redis") -> tuple[int, list[bytes]]:
        pipeline = client.pipeline(transaction=False)
        pipeline.scan(
            self._search.cursor,
            match=f"*{declared_names.BINDING}*",
            count=declared_names.KEYS_AT_ONCE,
        )
        (answer,) = await pipeline.execute(raise_on_error=False)
        return (0, []) if isinstance(answer, Exception) else answer

    async def _declared(
        self, client: "redis.Redis", names: Sequence[bytes], queues: Sequence[QueueName]
    ) -> tuple[DeclaredName, ...]:
        wanted = declared_names.promising(names, queues=queues)
        pipeline = client.pipeline(transaction=False)
        for name, _ in wanted:
            pipeline.sscan(name, count=declared_names.MEMBERS_OF_A_SET)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return tuple(
            one
            for (_, prefix), answer in zip(wanted, answers, strict=True)
            if not isinstance(answer, Exception)
            for one in declared_names.declared_by(answer[1], prefix=prefix, queues=queues)
        )
