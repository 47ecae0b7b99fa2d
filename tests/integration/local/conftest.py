"""A real `celeriac up` in a folder of the test, ended with all of its children."""

import contextlib
import itertools
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest
import redis

from app.control.pool.status import PoolStatus
from app.control.report import pool_snapshot
from tests.conftest import OURS
from tests.integration.environments import TEST_SETTINGS
from tests.integration.local import processes_of
from tests.integration.local.processes_of import Birth
from tests.integration.processes import Process
from tests.waiting import eventually

Json = Any  # an answer of the API

STARTS_WITHIN_S = 60.0


class Up:
    """One run."""

    def __init__(self, process: Process, data_dir: Path) -> None:
        self.process = process
        self.data_dir = data_dir

    @property
    def output(self) -> str:
        return self.process.log

    @cached_property
    def api(self) -> httpx2.Client:
        return httpx2.Client(base_url=self._named("API").removesuffix("/docs"), timeout=30.0)

    @cached_property
    def broker_url(self) -> str:
        password = self.data_dir / "broker" / "password"
        entry = f":{password.read_text()}@" if password.exists() else ""
        return f"redis://{entry}{self._named('broker')}/0"

    @cached_property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.broker_url)

    def log(self, name: str) -> str:
        """What one kind of its processes has printed."""
        return (self.data_dir / "logs" / f"{name}.log").read_text(errors="replace")

    def wait_until_up(self) -> None:
        self.process.wait_for("Ctrl-C stops everything", within_s=STARTS_WITHIN_S)

    def pools(self) -> dict[str, PoolStatus]:
        """What it posts on the board."""
        text = self.redis.get(pool_snapshot.KEY)
        return dict(pool_snapshot.parse_snapshot(text).pools) if isinstance(text, bytes) else {}

    def replicas(self, pool: str) -> int | None:
        status = self.pools().get(pool)
        return status.replicas if status is not None else None

    def workers(self) -> set[int]:
        """Pids of the workers' main processes."""
        return {
            pid
            for pid, _ in self.children()
            if processes_of.is_celery_worker(pid)
            and not processes_of.is_celery_worker(_parent(pid))
        }

    def children(self) -> set[Birth]:
        return processes_of.descendants(self.process.pid)

    def submit(self, kind: str, **params: object) -> str:
        answer = self.api.post(f"/api/v1/jobs/{kind}", json={"params": params})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> Json:
        return self.api.get(f"/api/v1/jobs/{job_id}").json()

    def wait_for_message(self, job_id: str, message: str) -> None:
        eventually(lambda: self.job(job_id)["message"] == message, why=f"job says {message!r}")

    def finished(self, job_id: str, *, within_s: float = 120.0) -> Json:
        """The job, once it has ended."""

        def ended() -> Json:
            job = self.job(job_id)
            return job if job["finished_at"] is not None else None

        return eventually(ended, within_s=within_s, why=f"job {job_id} ends")

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.signal(signal.SIGINT)
        return self.wait()

    def wait(self, *, within_s: float = 90.0) -> int:
        code = eventually(
            lambda: None if self.process.is_running else (self.process.exit_code,),
            within_s=within_s,
            why="the platform ends",
        )
        return -1 if code is None or code[0] is None else code[0]

    def close(self) -> None:
        """End all of it at once, and the connections to it."""
        sys.stdout.write(f"--- {self.data_dir.name} ---\n{self.output}\n")
        children = self.children()
        self.process.kill()
        eventually(lambda: not processes_of.alive(children), why="no process is left")
        for client in (self.__dict__.get("api"), self.__dict__.get("redis")):
            if client is not None:
                client.close()

    def _named(self, name: str) -> str:
        found = re.search(rf"^  {name} +(\S+)$", self.output, re.MULTILINE)
        assert found is not None, self.output
        return found.group(1)


class StartUp(Protocol):
    """Start a platform; options are those of `UpOptions`."""

    def __call__(
        self, *, name: str = "data", env: dict[str, str] | None = None, **options: object
    ) -> Up: ...


@contextlib.contextmanager
def starting(folder: Path) -> Iterator[StartUp]:
    """Start platforms in folders below this one, and end them all."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as ending:

        def start(
            *, name: str = "data", env: dict[str, str] | None = None, **options: object
        ) -> Up:
            given = {"data_dir": str(folder / name), "port": 0, "cooldown_s": 2, **options}
            process = Process(
                [sys.executable, "-m", "tests.integration.local.run_up", json.dumps(given)],
                environment={**_clean_environment(), **TEST_SETTINGS, **(env or {})},
                log=folder / f"{name}-{next(numbers)}.out",
            )
            up = Up(process, Path(str(given["data_dir"])))
            ending.callback(up.close)
            return up

        yield start


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    """`start_up(stop_grace_s=1)` -> a platform that is starting."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def up(start_up: StartUp) -> Up:
    """A platform of this test, ready for work."""
    found = start_up()
    found.wait_until_up()
    return found


@pytest.fixture(scope="module")
def shared_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A platform of several tests, for those that leave it as it was."""
    with starting(tmp_path_factory.mktemp("shared")) as start:
        found = start()
        found.wait_until_up()
        yield found


def _clean_environment() -> dict[str, str]:
    """Without the developer's own settings, for which a fixture of the module's is too early."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
