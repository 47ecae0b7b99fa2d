"""What queues hold in truth: ready over every priority step, unacknowledged, waiting for an ETA.

Everything is counted inside the server (two Lua scripts), so that a reading of many queues is one
round trip of a few bytes for each queue, however large the messages are.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from app.broker import keys
from app.broker.connection import Connection
from app.broker.keys import Keys
from app.broker.model import QueueReading
from app.queues import QueueName

UNACKED_LIMIT = 2_000
"""So many unacknowledged messages are looked at; of more, a random sample of this size. The server
does nothing else meanwhile: it takes 10 ms for all of 2 000, 20 ms for a sample of as many."""

_QUEUES_AT_ONCE = 100
"""Queues for each call of the script: other clients get their turn between two calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What workers have fetched from one queue; estimates where a sample was looked at."""

    unacked: float = 0.0
    scheduled: float = 0.0
    due_soon: float = 0.0

    def plus(self, other: "_Held") -> "_Held":
        return _Held(
            unacked=self.unacked + other.unacked,
            scheduled=self.scheduled + other.scheduled,
            due_soon=self.due_soon + other.due_soon,
        )


async def read(
    connection: Connection,
    layout: Keys,
    queues: Sequence[QueueName],
    *,
    now_s: float,
    horizon_s: float,
) -> dict[QueueName, QueueReading]:
    """Read queues in one round trip; a queue without a key reads as empty.

    `now_s` is compared with the ETAs and publish times in messages, so it should be near the clocks
    of those who publish. Messages due until `now_s + horizon_s` count as due soon.

    Raises:
        BrokerUnreachable: no answer, or not to us.
    """
    chunks = [queues[i : i + _QUEUES_AT_ONCE] for i in range(0, len(queues), _QUEUES_AT_ONCE)]
    async with connection.asking() as client:
        pipeline = client.pipeline(transaction=False)
        for chunk in chunks:
            names = [layout.queue(queue) for queue in chunk]
            pipeline.eval(
                _script("ready.lua"), len(names), *names, keys.SEPARATOR, *map(str, layout.steps)
            )
        pipeline.eval(
            _script("unacked.lua"),
            1,
            layout.unacked,
            repr(now_s),
            repr(now_s + horizon_s),
            str(UNACKED_LIMIT),
            layout.binding_prefix,
        )
        *ready, unacked = await pipeline.execute()
    held = _held_by_queue(unacked)
    # A queue that a sample has missed may hold a few: not known, rather than none.
    absent = None if _is_sample(unacked) else _Held()
    return {
        queue: _reading(queue, length, stamp, held.get(queue, absent), now_s=now_s)
        for chunk, answer in zip(chunks, ready, strict=True)
        for queue, length, stamp in zip(chunk, answer[::2], answer[1::2], strict=True)
    }


@cache
def _script(name: str) -> str:
    return resources.files("app.broker").joinpath(name).read_text(encoding="utf-8")


def _reading(
    name: QueueName, length: int, stamp: bytes, held: _Held | None, *, now_s: float
) -> QueueReading:
    return QueueReading(
        name=name,
        ready=length,
        unacked=round(held.unacked) if held is not None else None,
        scheduled=round(held.scheduled) if held is not None else None,
        due_soon=round(held.due_soon) if held is not None else None,
        oldest_age_s=max(0.0, now_s - float(stamp)) if stamp else None,
    )


def _is_sample(answer: Sequence[Any]) -> bool:  # the script's reply, as it came
    total, looked_at, *_ = answer
    return bool(looked_at < total)


def _held_by_queue(answer: Sequence[Any]) -> dict[str, _Held]:  # the script's reply, as it came
    total, looked_at, groups, bindings = answer
    scale = total / looked_at if looked_at else 0.0
    tables = {exchange: _table(members) for exchange, members in bindings}
    held: dict[str, _Held] = defaultdict(_Held)
    for exchange, routing_key, unacked, scheduled, due_soon in groups:
        share = _Held(
            unacked=unacked * scale, scheduled=scheduled * scale, due_soon=due_soon * scale
        )
        for queue in _destinations(_text(routing_key), tables.get(exchange)):
            held[queue] = held[queue].plus(share)
    return held


def _text(json_characters: bytes) -> str:
    return str(json.loads(b'"' + json_characters + b'"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The bindings of one exchange."""

    by_key: Mapping[str, frozenset[str]]
    by_pattern: Mapping[str, frozenset[str]]


def _table(members: Sequence[bytes]) -> _Table:
    by_key: dict[str, set[str]] = defaultdict(set)
    by_pattern: dict[str, set[str]] = defaultdict(set)
    for member in members:
        routing_key, pattern, queue = keys.parse_binding(member.decode())
        (by_pattern[pattern] if pattern else by_key[routing_key]).add(queue)
    return _Table(
        by_key={key: frozenset(queues) for key, queues in by_key.items()},
        by_pattern={pattern: frozenset(queues) for pattern, queues in by_pattern.items()},
    )


def _destinations(routing_key: str, table: _Table | None) -> frozenset[str]:
    """The queues that a message went to; as kombu looks them up. The default exchange has no table:
    its routing keys are the names of queues."""
    if table is None:
        return frozenset({routing_key})
    patterns = (
        queues for pattern, queues in table.by_pattern.items() if re.match(pattern, routing_key)
    )
    return frozenset().union(table.by_key.get(routing_key, frozenset()), *patterns)
