"""Depth of queues: messages that are ready at every priority, unacknowledged, or scheduled.

The server's work for one observation is bounded, whatever the number and size of messages: see
`ready.lua` for lists and `app.broker.queues.unacked` for messages that workers hold.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from redis import asyncio as redis
from redis.asyncio.client import Pipeline

from app.broker import redis_keys
from app.broker.connections.connection import Connection
from app.broker.model import QueueReading
from app.broker.queues import samples, unacked
from app.broker.queues.unacked import BindingTable, HeldCount, UnackedCache
from app.broker.redis_keys import Keys
from app.queues import QueueName

T = TypeVar("T")
_Answer = Sequence[int | Sequence[bytes]]

QUEUES_AT_ONCE = 100
"""Queues for each call of the script, so that other clients are served between two calls."""
READY_BYTES = 256 * 1024
"""Bytes of ready messages that one observation reads, over all queues."""
LIST_NODES = 20_000
"""List nodes (of 8 KB) that one observation measures, over all queues: 2 ms."""
EXCHANGES_AT_ONCE = 50
BINDINGS_OF_AN_EXCHANGE = 1_000


class DepthReader:
    """Reads the queues of one application, and caches what never changes."""

    def __init__(self, connection: Connection, layout: Keys) -> None:
        self._connection = connection
        self._keys = layout
        self._unacked = UnackedCache()
        self._tables: dict[str, BindingTable] = {}
        self._observations = 0
        self._reading = asyncio.Lock()
        self.content_types: frozenset[str] = frozenset()
        """Content types of the messages of the last reading."""

    async def read(
        self, queues: Sequence[QueueName], *, now_s: float, horizon_s: float
    ) -> dict[QueueName, QueueReading]:
        """Read queues; a queue without a key reads as empty. Takes one round trip, and two more if
        workers have fetched messages since the last reading.

        `now_s` is compared with the ETAs and publish times in messages, so it should be close to
        the clocks of publishers. Messages due until `now_s + horizon_s` count as due soon.

        Raises:
            BrokerUnreachable: no answer, or a refusal.
        """
        async with self._connection.asking() as client, self._reading:
            self._observations += 1
            ready = await self._observe(client, _rotated(queues, by=self._observations))
            values = await self._read_new(client)
            self.content_types = samples.content_types((*_next_in_line(ready), *values[:1]))
            await self._bind(client, self._unacked.exchanges() - self._tables.keys())
            held = self._unacked.counts(self._tables, now_s=now_s, horizon_s=horizon_s)
            # A queue without any read message may still have some: unknown, rather than zero.
            absent = HeldCount() if self._unacked.is_complete else None
            return {
                queue: _reading(
                    queue, ready[queue], held.get(queue, absent), now_s=now_s, horizon_s=horizon_s
                )
                for queue in queues
            }

    async def _observe(
        self, client: redis.Redis, queues: Sequence[QueueName]
    ) -> dict[QueueName, _Answer]:
        chunks = [queues[i : i + QUEUES_AT_ONCE] for i in range(0, len(queues), QUEUES_AT_ONCE)]
        exchanges = _rotated(sorted(self._tables), by=self._observations)[:EXCHANGES_AT_ONCE]
        pipeline = client.pipeline(transaction=False)
        for chunk in chunks:
            self._add_lists(pipeline, chunk, share=len(chunk) / len(queues))
        pipeline.hlen(self._keys.unacked)
        pipeline.zrange(self._keys.unacked_index, *self._unacked.window())
        self._add_bindings(pipeline, exchanges)
        answers = await pipeline.execute()
        total, tags = answers[len(chunks) : len(chunks) + 2]
        self._unacked.list_tags(tags, total=total)
        self._note_bindings(exchanges, answers[len(chunks) + 2 :])
        return {
            queue: answer
            for chunk, answered in zip(chunks, answers, strict=False)
            for queue, answer in zip(chunk, answered, strict=True)
        }

    def _add_lists(self, pipeline: Pipeline, queues: Sequence[QueueName], *, share: float) -> None:
        bytes_of_chunk = int(READY_BYTES * share)
        pipeline.eval(
            _script("ready.lua"),
            len(queues),
            *(redis_keys.encode(self._keys.queue(queue)) for queue in queues),
            redis_keys.SEPARATOR,
            bytes_of_chunk // len(queues),
            bytes_of_chunk,
            int(LIST_NODES * share),
            *self._keys.steps,
        )

    async def _read_new(self, client: redis.Redis) -> Sequence[bytes | None]:
        """Read the messages that workers have fetched since the last reading."""
        new = self._unacked.unmeasured()
        if new:
            sizes = await client.eval(_script("sizes.lua"), 1, self._keys.unacked, *new)
            self._unacked.measure(new, sizes)
        unread = self._unacked.unread()
        if not unread:
            return ()
        values: list[Any] = await client.hmget(self._keys.unacked, unread)
        self._unacked.read(unread, values)
        return values

    async def _bind(self, client: redis.Redis, exchanges: Iterable[str]) -> None:
        """Read the bindings of new exchanges."""
        new = sorted(exchanges)[:EXCHANGES_AT_ONCE]
        if new:
            pipeline = client.pipeline(transaction=False)
            self._add_bindings(pipeline, new)
            self._note_bindings(new, await pipeline.execute())

    def _add_bindings(self, pipeline: Pipeline, exchanges: Iterable[str]) -> None:
        for exchange in exchanges:
            key = redis_keys.encode(f"{self._keys.binding_prefix}{exchange}")
            pipeline.sscan(key, count=BINDINGS_OF_AN_EXCHANGE)

    def _note_bindings(self, exchanges: Sequence[str], answers: Sequence[Any]) -> None:
        for exchange, (_, members) in zip(exchanges, answers, strict=True):
            self._tables[exchange] = unacked.build_table(members)
        in_use = self._unacked.exchanges()
        self._tables = {name: table for name, table in self._tables.items() if name in in_use}


def _next_in_line(ready: Mapping[QueueName, _Answer]) -> Iterator[bytes]:
    """One message of each list, as far as lists were read."""
    for _, *lists in ready.values():
        for messages in lists[1::2]:
            yield from messages[:1] if not isinstance(messages, int) else ()


@cache
def _script(name: str) -> str:
    return resources.files("app.broker.queues").joinpath(name).read_text(encoding="utf-8")


def _rotated(items: Sequence[T], *, by: int) -> Sequence[T]:
    """The items rotated, so that a bound does not always cut off the same ones."""
    first = by % len(items) if items else 0
    return (*items[first:], *items[:first])


def _reading(
    name: QueueName,
    answer: _Answer,
    held: HeldCount | None,
    *,
    now_s: float,
    horizon_s: float,
) -> QueueReading:
    length, lists = samples.parse_lists(answer)
    ahead = samples.ahead(lists, now_s=now_s)
    later = samples.ahead(lists, now_s=now_s + horizon_s)
    return QueueReading(
        name=name,
        ready=length,
        ready_scheduled=ahead,
        ready_due_soon=ahead - later if ahead is not None and later is not None else None,
        unacked=round(held.unacked) if held is not None else None,
        scheduled=round(held.scheduled) if held is not None else None,
        due_soon=round(held.due_soon) if held is not None else None,
        oldest_age_s=samples.oldest_age_s(lists, now_s=now_s),
    )
