"""What can be done with the messages of a queue. Each function returns how many it has touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from app.broker.link import Link
from app.errors import InvalidInput
from app.foreign import waiting_messages
from app.foreign.waiting_messages import NewTask, WaitingMessage
from app.queues import QueueName

MESSAGES_AT_ONCE = 500
SEARCHED = 20_000
"""Messages that are looked through for one of a task."""
ORIGIN = "celeriac"

_MOVE = """
local moved = 0
for i = 1, #ARGV, 2 do
  if redis.call('LINDEX', KEYS[1], -1) ~= ARGV[i] then break end
  redis.call('RPOP', KEYS[1])
  redis.call('LPUSH', KEYS[2], ARGV[i + 1])
  moved = moved + 1
end
return moved
"""
# A message moves only if it is still the next one: workers and clients go on meanwhile.


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePosition:
    """Where a message waits."""

    queue: str
    message: WaitingMessage
    ahead: int
    """Messages that workers take first, those of higher priority included."""
    ahead_of_higher_priority: int


async def lengths(link: Link, queue: QueueName) -> dict[int, int]:
    """Messages by priority step. Raises BrokerUnreachable, as every function here."""
    lists = link.keys.lists(queue)
    async with link.connection.asking() as client:
        pipeline = client.pipeline(transaction=False)
        for _, key in lists:
            pipeline.llen(key)
        answers = await pipeline.execute()
    return {step: count for (step, _), count in zip(lists, answers, strict=True) if count}


async def next_messages(link: Link, queue: QueueName, *, limit: int) -> list[WaitingMessage]:
    """The messages that workers take next, in this order."""
    found: list[WaitingMessage] = []
    async with link.connection.asking() as client:
        for step, key in link.keys.lists(queue):
            if len(found) >= limit:
                break
            raw = await _last(client, key, limit - len(found))
            found += [waiting_messages.parse(one, priority=step) for one in raw]
    return found


async def find(link: Link, queues: Sequence[QueueName], task_id: str) -> MessagePosition | None:
    """Where the message of a task waits, among the first `SEARCHED` ones of each list."""
    pattern = waiting_messages.id_pattern(task_id)
    for queue in queues:
        ahead = 0
        for step, key in link.keys.lists(queue):
            async with link.connection.asking() as client:
                length = await client.llen(key)
                for start in range(0, min(length, SEARCHED), MESSAGES_AT_ONCE):
                    raw = await _last(client, key, MESSAGES_AT_ONCE, before=start)
                    for number, one in enumerate(raw):
                        if pattern.search(one):
                            return MessagePosition(
                                queue=queue,
                                message=waiting_messages.parse(one, priority=step),
                                ahead=ahead + start + number,
                                ahead_of_higher_priority=ahead,
                            )
            ahead += length
    return None


async def purge(link: Link, queue: QueueName) -> int:
    """Delete every message that no worker has fetched."""
    names = [key for _, key in link.keys.lists(queue)]
    async with link.connection.asking() as client:
        pipeline = client.pipeline(transaction=True)
        for name in names:
            pipeline.llen(name)
        pipeline.unlink(*names)
        answers = await pipeline.execute()
    return sum(answers[:-1])


async def move(
    link: Link,
    source: QueueName,
    target: QueueName,
    *,
    limit: int | None = None,
) -> int:
    """Move messages to the end of another queue, the next ones first, each at its priority. Those
    that come meanwhile stay.

    Raises:
        InvalidInput: the queues are the same, or a message cannot be read; it is left there with
            those behind it.
    """
    if source == target:
        raise InvalidInput("a queue cannot be moved to itself: name another one")
    targets = dict(link.keys.lists(target))
    moved = 0
    for step, key in link.keys.lists(source):
        async with link.connection.asking() as client:
            left = await client.llen(key)
        while left > 0 and (limit is None or moved < limit):
            count = min(left, MESSAGES_AT_ONCE, left if limit is None else limit - moved)
            async with link.connection.asking() as client:
                pairs: list[bytes] = []
                for one in await _last(client, key, count):
                    pairs += [one, waiting_messages.readdressed(one, target)]
                if not pairs:
                    break
                done = int(await client.eval(_MOVE, 2, key, targets[step], *pairs))
            moved += done
            left -= max(done, 1)  # a worker was faster
    return moved


async def publish(link: Link, tasks: Sequence[NewTask]) -> list[str]:
    """Publish tasks at the default priority; returns their ids."""
    ids = [str(uuid4()) for _ in tasks]
    async with link.connection.asking() as client:
        pipeline = client.pipeline(transaction=False)
        for task, task_id in zip(tasks, ids, strict=True):
            message = waiting_messages.build(task, task_id=task_id, origin=ORIGIN)
            pipeline.lpush(link.keys.queue(task.queue), message)
        await pipeline.execute()
    return ids


async def _last(client: Redis, key: str, count: int, *, before: int = 0) -> list[bytes]:
    """The last messages of a list, which are the next ones for workers, in that order."""
    raw: list[Any] = await client.lrange(key, -before - count, -before - 1)
    return raw[::-1]
