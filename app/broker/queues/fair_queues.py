"""Fair shares of a queue: messages wait in a list of their owner, and few are ahead of the workers.

A message is in exactly one list: a script moves it into its queue when it is its owner's turn
(`fair_queues.lua`). Workers read their queues as ever. Readers of a queue's depth count what waits
(`ready.lua`).
"""

import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import redis
from redis.exceptions import RedisError

from app.broker import redis_keys
from app.broker.connections import connection
from app.queues import PRIORITIES, QueueName

AHEAD = 4
"""Messages of owners that may wait in a queue itself. Each one delays a newcomer by the time that
one task slot takes for it; a worker that receives one moves the next."""

CREDIT = 16.0
"""Messages by which an owner that comes back may be ahead of those who kept the workers busy: it
makes up for the messages and runs that are before it when it comes."""

MESSAGES_AT_ONCE = 500

_MOST = "celeriac:fair:most"
_RUNNING = "celeriac:fair:running:"

_WAITING = "celeriac:fair:waiting"
"""A hash: how many messages wait for each queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Whose messages they are, and its part of the queue relative to that of others."""

    owner: str
    weight: float = 1.0
    most_running: int | None = None
    """How many of its messages workers may have at the same time, over all queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FairMessage:
    """A message as kombu writes it, and where it belongs."""

    queue: QueueName
    share: Share
    priority: int
    body: str


_Place = tuple[QueueName, str, float, int, int]
"""Queue, owner, weight, limit of running messages, priority."""


class FairQueues:
    """The fair queues of one broker. Each method raises BrokerUnreachable."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._script = client.register_script(_source())

    def add(self, messages: Sequence[FairMessage]) -> None:
        """Add messages, and move those whose turn it is: an owner's urgent ones first, equal ones
        in their order. When it raises, some of many may have been added."""
        groups = itertools.groupby(sorted(messages, key=_place), key=_place)
        calls = [
            (group, batch)
            for group, members in groups
            for batch in _batches([message.body for message in members])
        ]
        if len(calls) == 1:
            self._run(*self._arguments(*calls[0], ahead=AHEAD))
            return
        with _translated():  # the most urgent are in place before the first one is moved
            pipeline = self._client.pipeline(transaction=False)
            for group, batch in calls:
                self._add_call(pipeline, *self._arguments(group, batch, ahead=0))
            for queue in sorted({message.queue for message in messages}):
                self._add_call(pipeline, [queue], _options(ahead=AHEAD))
            pipeline.execute()

    def receive(self, queue: QueueName) -> None:
        """A worker has received a message for the first time: move the next one."""
        self._run([queue], _options(ahead=AHEAD, received=1))

    def fill(self) -> None:
        """Move the messages whose turn it is, in all queues: also where a worker ended before it
        could."""
        with _translated():
            waiting: Any = self._client.hgetall(_WAITING)
        for queue in waiting:
            self._run([queue], _options(ahead=AHEAD))

    def finish(self, share_owner: str, task_ids: Collection[str]) -> None:
        """Messages of an owner with a limit have been worked on: others may be."""
        if task_ids:
            with _translated():
                self._client.srem(f"{_RUNNING}{share_owner}", *task_ids)
        self.fill()

    def running(self) -> dict[str, set[str]]:
        """Task ids of the messages that workers have or may take, for owners with a limit."""
        with _translated():
            owners: Any = self._client.hkeys(_MOST)
            found: dict[str, Any] = {
                owner.decode(): self._client.smembers(f"{_RUNNING}{owner.decode()}")
                for owner in owners
            }
        return {owner: {one.decode() for one in ids} for owner, ids in found.items()}

    def bodies(self, queue: QueueName) -> Iterator[bytes]:
        """Every message that waits for the queue. One that is moved meanwhile may be missing."""
        with _translated():
            owners: Any = self._client.zrange(f"celeriac:fair:turns:{queue}", 0, -1)
        for owner in owners:
            for priority in PRIORITIES:
                yield from self._list(_held_list(queue, owner, priority))

    def _list(self, key: bytes) -> Iterator[bytes]:
        for start in itertools.count(0, MESSAGES_AT_ONCE):
            with _translated():
                found: Any = self._client.lrange(key, start, start + MESSAGES_AT_ONCE - 1)
            yield from found
            if len(found) < MESSAGES_AT_ONCE:
                return

    @staticmethod
    def _arguments(
        group: _Place, bodies: Sequence[str], *, ahead: int
    ) -> tuple[list[str], list[str]]:
        queue, owner, *numbers = group
        return [queue], [*_options(ahead=ahead), owner, *map(str, numbers), *bodies]

    def _run(self, keys: Sequence[str | bytes], args: Sequence[str]) -> None:
        with _translated():
            self._script(keys=keys, args=args)

    def _add_call(self, pipeline: Any, keys: Sequence[str], args: Sequence[str]) -> None:
        self._script(keys=keys, args=args, client=pipeline)


def _options(*, ahead: int, received: int = 0) -> list[str]:
    return [redis_keys.SEPARATOR, str(ahead), repr(CREDIT), str(received)]


def _place(message: FairMessage) -> _Place:
    share = message.share
    most = share.most_running or 0
    return (message.queue, share.owner, share.weight, most, message.priority)


def _batches(bodies: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(bodies), MESSAGES_AT_ONCE):
        yield bodies[start : start + MESSAGES_AT_ONCE]


def _held_list(queue: QueueName, owner: bytes, priority: int) -> bytes:
    separator = redis_keys.SEPARATOR.encode()
    start = f"celeriac:fair:held:{queue}".encode()
    return separator.join((start, owner, str(priority).encode()))


@cache
def _source() -> str:
    return resources.files("app.broker.queues").joinpath("fair_queues.lua").read_text("utf-8")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise connection.translated(error, host="the broker's server") from error
