"""Each misconfiguration of a Redis server is found on a real one."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from tests.integration.broker import tls
from tests.integration.command_line import CommandLine
from tests.integration.doctor import examined
from tests.integration.doctor.examined import PASSWORD
from tests.ports import free_port
from tests.waiting import eventually

NOT_ASKED = "http://127.0.0.1:1"
"""The command needs no API."""


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with examined.valkey() as url:
        yield url


@pytest.fixture
def client(broker: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker, decode_responses=True) as client:
        yield client


def test_a_healthy_server_has_no_finding(broker: str) -> None:
    assert examined.found(examined.examine(broker)) == {}


@pytest.mark.parametrize(
    ("changes", "want", "seen"),
    [
        (
            {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"},
            "redis-evicts-queues",
            "maxmemory-policy is allkeys-lru, with a maxmemory of 100.0 MiB",
        ),
        (
            {"maxmemory": "100mb", "maxmemory-policy": "volatile-ttl"},
            "redis-evicts-results",
            "maxmemory-policy is volatile-ttl, with a maxmemory of 100.0 MiB",
        ),
        (
            {"appendonly": "no", "save": ""},
            "redis-without-persistence",
            'appendonly is no and save is ""',
        ),
        ({"timeout": "300"}, "redis-closes-idle-clients", "timeout is 300 s"),
        (
            {"client-output-buffer-limit": "pubsub 1mb 512kb 60"},
            "redis-pubsub-buffer-small",
            "client-output-buffer-limit of pubsub is 1.0 MiB",
        ),
    ],
)
def test_a_setting_of_the_server_is_found(
    broker: str, client: redis.Redis, changes: dict[str, str], want: str, seen: str
) -> None:
    with examined.configured(client, changes):
        assert examined.found(examined.examine(broker)) == {want: seen}


def test_a_full_memory_and_what_it_has_evicted_are_found(client: redis.Redis, broker: str) -> None:
    client.config_resetstat()
    used = int(client.info("memory")["used_memory"])
    client.set("large", "x" * 1_000_000)
    with examined.configured(client, {"maxmemory": str(used)}):
        assert "redis-memory-full" in examined.found(examined.examine(broker))
        client.config_set("maxmemory-policy", "allkeys-lru")
        with suppress(redis.ResponseError):  # there may be nothing more to evict
            client.set("more", "x")
        client.config_set("maxmemory-policy", "noeviction")
    seen = examined.found(examined.examine(broker))
    client.config_resetstat()
    assert seen.keys() == {"redis-has-evicted"}


def test_connections_that_are_nearly_exhausted_are_found(broker: str, client: redis.Redis) -> None:
    others = [redis.Redis.from_url(broker) for _ in range(10)]
    for other in others:
        other.ping()
    with examined.configured(client, {"maxclients": "14"}):
        assert "redis-connections-exhausted" in examined.found(examined.examine(broker))
    for other in others:
        other.close()


def test_a_server_that_cannot_save_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with (
        examined.valkey(
            folder, appendonly="no", save="3600 1", stop_writes_on_bgsave_error="no"
        ) as url,
        redis.Redis.from_url(url) as client,
    ):
        shutil.rmtree(folder)
        client.set("a", "b")
        with suppress(redis.ResponseError):
            client.bgsave()
        eventually(
            lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err",
            within_s=60,
            why="the server has failed to save",
        )
        seen = examined.found(examined.examine(url))
    assert seen == {"redis-cannot-save": "rdb_last_bgsave_status is err"}


def test_a_server_that_is_open_to_all_is_found() -> None:
    with (
        examined.valkey(password="", protected_mode="no") as url,
        redis.Redis.from_url(url) as client,
    ):
        client.config_set("bind", "0.0.0.0")
        seen = examined.found(examined.examine(url))
    assert seen == {
        "redis-without-password": "no password, protected-mode is no, bind is '0.0.0.0'"
    }


def test_a_replica_is_found(broker: str, client: redis.Redis) -> None:
    with examined.valkey() as master:
        port = master.rpartition(":")[2].partition("/")[0]
        client.replicaof("127.0.0.1", port)
        try:
            seen = examined.found(examined.examine(broker))
        finally:
            client.replicaof("NO", "ONE")
    assert "redis-is-replica" in seen
    assert seen["redis-is-replica"].endswith(f"is a replica of 127.0.0.1:{port}")


def test_a_cluster_is_found() -> None:
    with examined.valkey(cluster_enabled="yes") as url:
        assert "redis-is-cluster" in examined.found(examined.examine(url))


def test_unverified_tls_is_found(broker: str, tmp_path: Path) -> None:
    port = int(broker.rpartition(":")[2].partition("/")[0])
    certificate = tls.issue(tmp_path, "server")
    with tls.proxy(certificate, to_port=port) as tls_port:
        url = f"rediss://:{PASSWORD}@127.0.0.1:{tls_port}/0"
        verified = f"{url}?ssl_cert_reqs=required&ssl_ca_certs={certificate.certfile}"
        assert "tls-unverified" in examined.found(examined.examine(url))
        assert examined.found(examined.examine(verified)) == {}


def test_a_slow_server_is_found(broker: str) -> None:
    port = int(broker.rpartition(":")[2].partition("/")[0])
    with _delayed(port, by_s=0.06) as slow_port:
        seen = examined.found(examined.examine(f"redis://:{PASSWORD}@127.0.0.1:{slow_port}/0"))
    assert "redis-is-slow" in seen


def test_a_check_that_is_forbidden_is_reported(broker: str, client: redis.Redis) -> None:
    client.acl_setuser(
        "guest",
        enabled=True,
        passwords=["+guest"],
        keys=["*"],
        channels=["*"],
        categories=["+@all"],
        commands=["-config"],
    )
    url = broker.replace(f":{PASSWORD}", "guest:guest")
    report = examined.examine(url)
    assert examined.found(report) == {}
    assert "redis-without-persistence" in {one.check.id for one in report.unchecked}
    assert {one.reason.split(":")[0] for one in report.unchecked} == {
        "CONFIG GET is refused by the broker at 127.0.0.1",
        "no worker has answered",
    }


def test_the_command_tells_findings_by_its_output_and_exit_code(
    broker: str, client: redis.Redis
) -> None:
    line = CommandLine(NOT_ASKED)
    healthy = line.run("doctor", "--broker", broker, "--output", "json")
    assert (healthy.returncode, json.loads(healthy.stdout)["findings"]) == (0, [])
    with examined.configured(client, {"timeout": "60"}):
        warned = line.run("doctor", "--broker", broker)
        strict = line.run("doctor", "--broker", broker, "--strict")
    assert (warned.returncode, strict.returncode) == (0, 1)
    assert "warning  redis-closes-idle-clients" in warned.stdout
    assert max(len(text) for text in warned.stdout.splitlines()) <= 80
    with examined.configured(client, {"appendonly": "no", "save": ""}):
        assert line.run("doctor", "--broker", broker).returncode == 1
    assert PASSWORD not in warned.stdout + healthy.stdout


def test_a_broker_that_does_not_answer_has_an_exit_code_of_its_own(broker: str) -> None:
    line = CommandLine(NOT_ASKED)
    silent = line.run("doctor", "--broker", f"redis://127.0.0.1:{free_port()}/0")
    wrong = line.run("doctor", "--broker", broker.replace(PASSWORD, "wrong"))
    invalid = line.run("doctor", "--broker", "amqp://shop")
    assert (silent.returncode, wrong.returncode, invalid.returncode) == (3, 3, 2)
    assert "Connection refused" in silent.stderr
    assert "refused by the broker" in wrong.stderr
    assert [text.stdout for text in (silent, wrong, invalid)] == ["", "", ""]


@contextmanager
def _delayed(port: int, *, by_s: float) -> Iterator[int]:
    """A port of 127.0.0.1 whose server answers later than the one behind it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_pass_on, args=(server, port, by_s), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _pass_on(server: socket.socket, port: int, by_s: float) -> None:
    with suppress(OSError):
        while True:
            outside, _ = server.accept()
            inside = socket.create_connection(("127.0.0.1", port))
            for pair in ((outside, inside, by_s), (inside, outside, 0.0)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, by_s: float) -> None:
    with source, suppress(OSError):  # the thread of the other direction closes the target
        while data := source.recv(65536):
            time.sleep(by_s)
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
