"""Heartbeats of stock workers, as they come over the wire."""

import asyncio
import time

import pytest
import redis

from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.broker.link import Link
from app.broker.messages import envelope
from app.broker.model import Heartbeat
from app.broker.redis_keys import Keys
from app.broker.workers.heartbeats import Heartbeats
from app.queues import QueueName
from tests.integration.broker.conftest import shop_on, until
from tests.integration.foreign_application import ForeignApplication, node
from tests.waiting import eventually_async

PLAIN = QueueName("plain")
ONE, TWO = node("one"), node("two")


async def listening(link: Link) -> None:
    await until(
        lambda: link.queues.read([PLAIN]), lambda found: found.listening_since_s is not None
    )


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_heartbeat_tells_what_runs_and_what_was_accepted(
    shop: ForeignApplication, pool: str
) -> None:
    path = shop.held()
    shop.worker("one", pool=pool, concurrency=2)
    for _ in range(3):
        shop.send("nap", 0)

    async def scenario() -> list[tuple[int, int]]:
        async with shop.link() as link:

            async def heartbeat() -> Heartbeat | None:
                return (await link.queues.read([PLAIN])).heartbeats.get(ONE)

            idle = await until(heartbeat, lambda found: found is not None and found.processed == 3)
            shop.send("hold", 0, path)
            busy = await until(heartbeat, lambda found: found is not None and found.active == 1)
            shop.release()
            done = await until(heartbeat, lambda found: found is not None and found.active == 0)
            return [(b.active, b.processed) for b in (idle, busy, done) if b is not None]

    assert asyncio.run(scenario()) == [(0, 3), (1, 4), (0, 4)]


def test_a_worker_that_says_goodbye_is_gone_and_one_that_was_killed_stays(
    shop: ForeignApplication,
) -> None:
    async def scenario() -> list[str]:
        async with shop.link() as link:
            await listening(link)
            one, two = shop.worker("one"), shop.worker("two")
            await until(lambda: link.queues.read([PLAIN]), lambda found: len(found.heartbeats) == 2)
            await asyncio.to_thread(one.stop)
            await asyncio.to_thread(two.kill)
            found = await until(
                lambda: link.queues.read([PLAIN]), lambda found: ONE not in found.heartbeats
            )
            return list(found.heartbeats)

    assert asyncio.run(scenario()) == [TWO]


def test_workers_of_another_application_are_not_heard(
    shop: ForeignApplication, prefixed_shop: ForeignApplication
) -> None:
    prefixed_shop.worker("one")

    async def scenario() -> bool:
        other = shop_on(shop.url, shop.started, shop.folder, prefix="other:")
        async with other.link() as theirs, prefixed_shop.link() as ours:
            await listening(theirs)
            await until(lambda: ours.queues.read([PLAIN]), lambda found: bool(found.heartbeats))
            return bool((await theirs.queues.read([PLAIN])).heartbeats)

    assert asyncio.run(scenario()) is False


def test_no_more_workers_are_remembered_than_there_may_be(
    redis_url: str, redis_client: redis.Redis
) -> None:
    layout = Keys()

    def publish(name: str) -> None:
        body = {"hostname": node(name), "active": 0, "processed": 0}
        channel = layout.event_channels("worker.heartbeat")[0]
        message = envelope.build_message(body, exchange="celeryev", headers={})
        redis_client.publish(channel, message)

    async def scenario() -> list[str]:
        connection = Connection(parse_address(redis_url))
        heartbeats = Heartbeats(connection, layout, clock=time.time, node_limit=2)
        listening = asyncio.create_task(heartbeats.listen())
        await eventually_async(lambda: heartbeats.listening_since_s is not None)
        redis_client.publish(layout.event_channels("worker.heartbeat")[0], "not an event")
        for name in ("a", "b", "a", "c"):
            publish(name)
        await eventually_async(lambda: node("c") in heartbeats.current())
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await connection.close()
        return list(heartbeats.current())

    assert asyncio.run(scenario()) == [node("a"), node("c")]
