"""Real Celery processes for tests, each ended with all of its children when the test is over."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.waiting import eventually

ROOT = Path(__file__).parents[2]

_numbers = itertools.count(1)


class Process:
    """A child of the test in a session of its own."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], log: Path
    ) -> None:
        self.log_path = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**environment, "PYTHONUNBUFFERED": "1", "PYTHONPATH": _path(environment)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """Negative when it was ended by that signal. It is not reaped before `kill`: until then
        its number is not given to another process, so that `kill` cannot hit a stranger."""
        if self._popen.returncode is not None:
            return self._popen.returncode
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    @property
    def children(self) -> list[int]:
        """Pids of its children, such as the prefork pool's."""
        found: list[int] = []
        for listing in Path(f"/proc/{self.pid}/task").glob("*/children"):
            found += [int(pid) for pid in listing.read_text().split()]
        return found

    def wait_for(self, text: str, *, within_s: float = 90.0) -> None:
        """Wait until its output holds `text`."""

        def seen() -> bool:
            assert self.is_running or text in self.log, f"ended with {self.exit_code}: {self.log}"
            return text in self.log

        eventually(seen, within_s=within_s, why=f"{text!r} in the output of {self.log_path.name}")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9 of the main process and its children, as a lost machine would."""
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()

    def stop(self, *, within_s: float = 90.0) -> int:
        """SIGTERM (Celery's warm shutdown); return the exit code."""
        self.signal(signal.SIGTERM)
        eventually(lambda: not self.is_running, within_s=within_s, why="it ends")
        code = self.exit_code
        return code if code is not None else -1


def _path(environment: Mapping[str, str]) -> str:
    """Where Python looks for modules: with us, then where the test says."""
    return os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))


class StartWorker(Protocol):
    """Start a `celery worker` and wait until it takes work."""

    def __call__(
        self,
        queues: Sequence[str] = ("default",),
        *,
        pool: str = "threads",
        concurrency: int = 2,
        env: Mapping[str, str] | None = None,
        app: str = "app.celery_app",
        arguments: Sequence[str] = (),
        python: str | Path = sys.executable,
    ) -> Process: ...


class StartBeat(Protocol):
    """Start `celery beat`."""

    def __call__(
        self, *, env: Mapping[str, str] | None = None, app: str = "app.celery_app"
    ) -> Process: ...


class Started:
    """Starts processes and ends them all."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            print(f"--- {process.log_path.name} ---\n{process.log}")  # noqa: T201

    def worker(
        self,
        queues: Sequence[str] = ("default",),
        *,
        pool: str = "threads",
        concurrency: int = 2,
        env: Mapping[str, str] | None = None,
        app: str = "app.celery_app",
        arguments: Sequence[str] = (),
        python: str | Path = sys.executable,
        mingles: bool = False,
    ) -> Process:
        """`python` may be the interpreter of another environment (`celery_versions`). `mingles`: it
        asks other workers what they know before it consumes, which takes a second."""
        name = f"test{next(_numbers)}"
        process = self._start(
            name,
            [
                *(str(python), "-m", "celery", "-A", app, "worker"),
                *("--queues", ",".join(queues), "--pool", pool, "--concurrency", str(concurrency)),
                *("--hostname", f"{name}@%h", "--loglevel", "INFO"),
                *("--without-gossip", *(() if mingles else ("--without-mingle",))),
                *arguments,
            ],
            env=env,
        )
        process.wait_for(" ready.")
        return process

    def beat(self, *, env: Mapping[str, str] | None = None, app: str = "app.celery_app") -> Process:
        name = f"beat{next(_numbers)}"
        schedule = self._folder / f"{name}-schedule"
        process = self._start(
            name,
            [
                *(sys.executable, "-m", "celery", "-A", app, "beat", "--loglevel", "INFO"),
                *("--schedule", str(schedule), "--pidfile", ""),
            ],
            env=env,
        )
        process.wait_for("beat: Starting")
        return process

    def _start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None
    ) -> Process:
        process = Process(
            command,
            environment={**self._environment, **(env or {})},
            log=self._folder / f"{name}.log",
        )
        self._processes.append(process)
        return process
