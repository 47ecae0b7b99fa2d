"""A stock application whose keys are called otherwise than they are looked for."""

import asyncio
import time

import pytest
import redis
from celery import Celery

from app.broker import redis_keys
from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.broker.model import BrokerReading, MisnamedQueue
from app.queues import QueueName

ORDERS = QueueName("orders")


def publish(url: str, **options: object) -> None:
    """As an application with these transport options does."""
    with Celery(broker=url) as celery:
        celery.conf.broker_transport_options = options
        # Not from the pool of this process, which keeps the options of its first application.
        with celery.connection_for_write() as connection:
            for priority in (0, 3):
                celery.send_task("t", queue="orders", priority=priority, connection=connection)


async def read(url: str, *, prefix: str = "") -> BrokerReading:
    link = Link(parse_address(url), key_prefix=prefix, clock=time.time)
    try:
        return await link.queues.read([ORDERS])
    finally:
        await link.close()


@pytest.mark.parametrize(
    ("options", "prefix", "want"),
    [
        pytest.param({}, "", None, id="as it is looked for"),
        pytest.param({"global_keyprefix": "shop:"}, "shop:", None, id="with the prefix given"),
        pytest.param(
            {"global_keyprefix": "shop:"},
            "",
            ("shop:", redis_keys.SEPARATOR),
            id="a prefix not given",
        ),
        pytest.param({}, "shop:", ("", redis_keys.SEPARATOR), id="a prefix that it does not have"),
        pytest.param({"sep": ":"}, "", ("", ":"), id="a separator of its own"),
    ],
)
def test_other_names_of_a_queue_are_told(
    redis_url: str, options: dict[str, object], prefix: str, want: tuple[str, str] | None
) -> None:
    publish(redis_url, **options)

    found = asyncio.run(read(redis_url, prefix=prefix)).misnamed

    assert found == (
        () if want is None else (MisnamedQueue(queue=ORDERS, prefix=want[0], separator=want[1]),)
    )


def test_a_large_broker_is_searched_bit_by_bit(redis_url: str, redis_client: redis.Redis) -> None:
    pipeline = redis_client.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.set(f"celery-task-meta-{number}", "{}")
    pipeline.execute()
    publish(redis_url, global_keyprefix="shop:")

    async def search() -> list[bool]:
        link = Link(parse_address(redis_url), clock=time.time)
        try:
            return [bool((await link.queues.read([ORDERS])).misnamed) for _ in range(20)]
        finally:
            await link.close()

    known = asyncio.run(search())
    assert (known[4], known[19]) == (False, True)
