"""Finds queues that an application has declared under another key prefix (`global_keyprefix`) or
with another separator (`sep`) than expected: such a queue reads as empty.

Clients and workers declare their queues: kombu writes a binding under its prefix, which contains
its separator. The keys are scanned a thousand at a time, over many observations.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from redis import asyncio as redis

from app.broker import redis_keys
from app.broker.connections.connection import Connection
from app.broker.model import MisnamedQueue
from app.broker.redis_keys import Keys
from app.queues import QueueName

BINDING = "_kombu.binding."
KEYS_AT_ONCE = 1_000
SETS_AT_ONCE = 20
MEMBERS_OF_A_SET = 100
PAUSE_S = 30.0
"""Pause between two rounds of the search."""

_PREFIXES_OF_A_QUEUE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredName:
    """The name of a queue according to one binding."""

    queue: QueueName
    prefix: str
    separator: str | None
    """`None` if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSearch:
    """The progress of the search."""

    cursor: int = 0
    declared: Mapping[QueueName, frozenset[DeclaredName]] = field(default_factory=dict)
    """Names found in the current round so far."""
    completed: Mapping[QueueName, frozenset[DeclaredName]] = field(default_factory=dict)
    """Names found in the last complete round."""

    def after(self, cursor: int, found: Iterable[DeclaredName]) -> "NameSearch":
        """Add the names from a part of the keys; cursor 0 ends a round."""
        declared = defaultdict(frozenset[DeclaredName], self.declared)
        for one in found:
            if len(declared[one.queue]) < _PREFIXES_OF_A_QUEUE:
                declared[one.queue] |= {one}
        if cursor == 0:
            return NameSearch(completed=dict(declared))
        return replace(self, cursor=cursor, declared=dict(declared))

    def misnamed(self, queues: Iterable[QueueName], *, prefix: str) -> tuple[MisnamedQueue, ...]:
        """Those of the queues that are declared under unexpected names only."""
        found = []
        for queue in queues:
            names = self.completed.get(queue, frozenset())
            expected = DeclaredName(queue=queue, prefix=prefix, separator=redis_keys.SEPARATOR)
            if names and expected not in names:
                first = min(names, key=lambda one: (one.prefix != prefix, one.prefix))
                found.append(
                    MisnamedQueue(queue=queue, prefix=first.prefix, separator=first.separator)
                )
        return tuple(found)


def promising(
    names: Iterable[bytes], *, queues: Iterable[QueueName]
) -> tuple[tuple[bytes, str], ...]:
    """Keys of bindings with their prefixes, as many as are read at once. Exchanges that have the
    name of a queue come first: Celery names them so."""
    wanted = frozenset(queues)
    found = []
    for name in names:
        prefix, is_found, exchange = name.decode(errors="surrogateescape").partition(BINDING)
        if is_found:
            found.append((exchange not in wanted, name, prefix))
    return tuple((name, prefix) for _, name, prefix in sorted(found)[:SETS_AT_ONCE])


def declared_by(
    members: Sequence[bytes], *, prefix: str, queues: Iterable[QueueName]
) -> tuple[DeclaredName, ...]:
    """The queues among these that a set of bindings leads to."""
    texts = [member.decode(errors="replace") for member in members]
    return tuple(
        DeclaredName(queue=queue, prefix=prefix, separator=_separator(text, queue))
        for queue in queues
        for text in texts
        if _leads_to(text, queue)
    )


def _leads_to(member: str, queue: str) -> bool:
    if redis_keys.SEPARATOR in member:
        return member.endswith(f"{redis_keys.SEPARATOR}{queue}")
    # Routing key, separator, no pattern, separator, queue: in most bindings key and queue agree.
    return member.startswith(queue) and member.endswith(queue) and len(member) > 2 * len(queue)


def _separator(member: str, queue: str) -> str | None:
    if redis_keys.SEPARATOR in member:
        return redis_keys.SEPARATOR
    between = member[len(queue) : -len(queue)]
    half = between[: len(between) // 2]
    return half if half * 2 == between else None


class NameReader:
    """Searches the declared names, a part of the keys in each observation."""

    def __init__(self, connection: Connection, layout: Keys) -> None:
        self._connection = connection
        self._keys = layout
        self._search = NameSearch()
        self._rests_until_s = 0.0

    async def misnamed(
        self, queues: Sequence[QueueName], *, has_heartbeats: bool, now_s: float
    ) -> tuple[MisnamedQueue, ...]:
        """Those of the queues that are declared under unexpected names only, as far as is known.

        Workers whose heartbeats arrive use our key prefix, so only their separator can differ. A
        user that may not read these keys finds nothing, which is not an error.

        Raises:
            BrokerUnreachable: no answer.
        """
        if queues and now_s >= self._rests_until_s:
            async with self._connection.asking() as client:
                cursor, names = 0, self._own(queues)
                if not has_heartbeats:
                    cursor, names = await self._scan(client)
                found = await self._declared(client, names, queues)
            self._search = self._search.after(cursor, found)
            if cursor == 0:
                self._rests_until_s = now_s + PAUSE_S
        return self._search.misnamed(queues, prefix=self._keys.prefix)

    def _own(self, queues: Sequence[QueueName]) -> list[bytes]:
        """The bindings of exchanges that have the names of the queues, as Celery names them."""
        return [redis_keys.encode(f"{self._keys.binding_prefix}{queue}") for queue in queues]

    async def _scan(self, client: "redis.Redis") -> tuple[int, list[bytes]]:
        pipeline = client.pipeline(transaction=False)
        pipeline.scan(
            self._search.cursor,
            match=f"*{BINDING}*",
            count=KEYS_AT_ONCE,
        )
        (answer,) = await pipeline.execute(raise_on_error=False)
        return (0, []) if isinstance(answer, Exception) else answer

    async def _declared(
        self, client: "redis.Redis", names: Sequence[bytes], queues: Sequence[QueueName]
    ) -> tuple[DeclaredName, ...]:
        wanted = promising(names, queues=queues)
        pipeline = client.pipeline(transaction=False)
        for name, _ in wanted:
            pipeline.sscan(name, count=MEMBERS_OF_A_SET)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return tuple(
            one
            for (_, prefix), answer in zip(wanted, answers, strict=True)
            if not isinstance(answer, Exception)
            for one in declared_by(answer[1], prefix=prefix, queues=queues)
        )
