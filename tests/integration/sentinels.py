"""A master, a replica and three Sentinels: passwords on all of them, and TLS on every wire."""

import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import redis
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from tests.integration.broker import tls
from tests.integration.broker.tls import Certificate
from tests.ports import free_port
from tests.tools import debian
from tests.waiting import eventually

MASTER = "main"
PASSWORD = "s3cr3t/of@the:master#1"
SENTINEL_PASSWORD = "s3cr3t of the guards"

_BASE = """port 0
bind 127.0.0.1
dir "{folder}"
requirepass "{password}"
tls-port {port}
tls-cert-file "{certificate.certfile}"
tls-key-file "{certificate.keyfile}"
tls-ca-cert-file "{certificate.certfile}"
tls-auth-clients no
tls-replication yes
"""
_SERVER = f"""save ""
masterauth "{PASSWORD}"
repl-diskless-sync-delay 0
"""
_SENTINEL = f"""sentinel monitor {MASTER} 127.0.0.1 {{master_port}} 2
sentinel auth-pass {MASTER} "{PASSWORD}"
sentinel sentinel-pass "{SENTINEL_PASSWORD}"
sentinel down-after-milliseconds {MASTER} 1000
sentinel failover-timeout {MASTER} 5000
"""


StartServer = Callable[[str, int, str, str], "subprocess.Popen[bytes]"]
"""By the name of the program, the port, the password and more lines of configuration."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The set, and how it is entered."""

    certificate: Certificate
    ports: list[int] = field(default_factory=list)
    """Of the Sentinels."""
    servers: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    """By their ports."""

    @property
    def url(self) -> str:
        """Each of its parts as kombu wants it when it moves on to the next."""
        entry = f":{quote(PASSWORD, safe='')}@127.0.0.1"
        query = f"?ssl_cert_reqs=required&ssl_ca_certs={self.certificate.certfile}"
        return ";".join(f"sentinel://{entry}:{port}/2{query}" for port in self.ports)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CELERY_BROKER_URL": self.url,
            "CELERIAC_SENTINEL_MASTER": MASTER,
            "CELERIAC_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
            "CELERIAC_SENTINEL_TLS": "true",
        }

    @property
    def master_port(self) -> int:
        """What a Sentinel says."""
        guard = Sentinel(  # type: ignore[no-untyped-call]  # has no types
            [("127.0.0.1", port) for port in self.ports],
            sentinel_kwargs={"password": SENTINEL_PASSWORD, **self.tls_options},
        )
        try:
            return int(guard.discover_master(MASTER)[1])  # type: ignore[no-untyped-call]  # the same
        finally:
            guard.close()

    @property
    def tls_options(self) -> dict[str, object]:
        return {"ssl": True, "ssl_ca_certs": str(self.certificate.certfile)}

    def kill_master(self) -> int:
        """kill -9, as a lost machine would; returns its port."""
        port = self.master_port
        self.servers[port].send_signal(signal.SIGKILL)
        self.servers[port].wait()
        return port

    def wait_for_another_master(self, former: int) -> None:
        eventually(lambda: self._has_moved_from(former), why="a Sentinel names another master")

    def _has_moved_from(self, former: int) -> bool:
        try:
            return self.master_port != former
        except RedisError:
            return False


@contextmanager
def watching(folder: Path) -> Iterator[Watched]:
    """Start the set; it is ready for a failover."""
    found = Watched(certificate=tls.issue(folder, "watched"))
    master, replica = free_port(), free_port()
    with ExitStack() as ending:
        start = _starter(folder, found.certificate, ending)
        found.servers[master] = start("redis-server", master, PASSWORD, _SERVER)
        replication = f"{_SERVER}replicaof 127.0.0.1 {master}\n"
        found.servers[replica] = start("redis-server", replica, PASSWORD, replication)
        eventually(lambda: _has_replica(found, master), why="the replica follows")
        for _ in range(3):
            found.ports.append(free_port())
            text = _SENTINEL.format(master_port=master)
            start("redis-sentinel", found.ports[-1], SENTINEL_PASSWORD, text)
        eventually(
            lambda: all(_knows_all(found, port) for port in found.ports), why="all are known"
        )
        yield found


def _starter(folder: Path, certificate: Certificate, ending: ExitStack) -> "StartServer":
    # All of Redis' programs are one, which asks for the name that it is called by. That one comes
    # with the clients, whose package starts no server on the machine.
    program = debian.program("redis-check-rdb", package="redis-tools")
    numbers = itertools.count(1)

    def start(name: str, port: int, password: str, more: str) -> "subprocess.Popen[bytes]":
        place = folder / f"{name}{next(numbers)}"
        place.mkdir()
        path = place / "redis.conf"
        path.write_text(
            _BASE.format(folder=place, password=password, port=port, certificate=certificate) + more
        )
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [name, str(path)], executable=program, stdout=log, stderr=subprocess.STDOUT
            )
        ending.callback(process.wait)
        ending.callback(process.kill)
        return process

    return start


def _has_replica(found: Watched, port: int) -> bool:
    with redis.Redis("127.0.0.1", port, password=PASSWORD, **found.tls_options) as client:  # type: ignore[arg-type]  # of several types
        try:
            return dict(client.info("replication").get("slave0", {})).get("state") == "online"
        except RedisError:
            return False


def _knows_all(found: Watched, port: int) -> bool:
    options = {"password": SENTINEL_PASSWORD, **found.tls_options}
    with redis.Redis("127.0.0.1", port, **options) as client:  # type: ignore[arg-type]  # of several types
        try:
            state = client.sentinel_master(MASTER)
        except RedisError:
            return False
        return (state["num-other-sentinels"], state["num-slaves"]) == (2, 1)
