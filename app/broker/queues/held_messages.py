"""Finds which messages of jobs the broker still holds, waiting or fetched."""

import re
from collections.abc import Iterable, Iterator, Sequence

import redis
from redis.exceptions import RedisError

from app.broker.connections import connection
from app.broker.queues.fair_queues import FairQueues
from app.broker.redis_keys import Keys
from app.queues import QueueName

MESSAGES_AT_ONCE = 1000

_TASK_ID = re.compile(rb'"correlation_id": ?"([0-9a-f-]{36}\.[0-9]+)"')
"""A message's task id. What clients write is in base64 or has escaped quotes: it never matches."""


def task_ids(
    client: "redis.Redis", queues: Sequence[QueueName], *, fetched_after_s: float
) -> frozenset[str]:
    """Task ids of the jobs' messages that wait in these queues, or that a worker has fetched since
    `fetched_after_s` (seconds since the epoch).

    If a message was fetched earlier and its job is still queued, its worker died in between.

    Messages that wait for their turn are read first, and fetched ones last, so that one that moves
    meanwhile is found. One that is being fetched at this moment may be missed. Raises
    BrokerUnreachable.
    """
    queued_fairly = FairQueues(client)
    unmoved = [found for queue in queues for found in _ids(queued_fairly.bodies(queue))]
    try:
        waiting = [found for queue in queues for found in _waiting(client, Keys(), queue)]
        return frozenset([*unmoved, *waiting, *_fetched(client, Keys(), fetched_after_s)])
    except (RedisError, OSError) as error:
        raise connection.translated(error, host="Redis") from error


def _waiting(client: "redis.Redis", layout: Keys, queue: QueueName) -> Iterator[str]:
    for _, key in layout.lists(queue):
        start = 0
        # Workers pop at the far end and clients push at the near one: nothing is skipped.
        while messages := client.lrange(key, start, start + MESSAGES_AT_ONCE - 1):
            yield from _ids(messages)
            start += MESSAGES_AT_ONCE


def _fetched(client: "redis.Redis", layout: Keys, after_s: float) -> Iterator[str]:
    long_ago = set(client.zrange(f"{layout.unacked}_index", "-inf", after_s, byscore=True))
    for tag, message in client.hscan_iter(layout.unacked, count=MESSAGES_AT_ONCE):
        if tag not in long_ago:
            yield from _ids([message])


def _ids(messages: Iterable[bytes | str]) -> Iterator[str]:
    for message in messages:
        found = _TASK_ID.search(message) if isinstance(message, bytes) else None
        if found is not None:
            yield found[1].decode()
