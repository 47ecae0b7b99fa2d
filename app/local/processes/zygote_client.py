"""The client of a zygote (`zygote`), which starts Celery processes by forking itself."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from app.errors import CeleriacError
from app.local.processes import zygote
from app.local.processes.child_process import ChildProcess

IMPORT_LIMIT_S = 60.0
START_LIMIT_S = 10.0

_MESSAGE_LIMIT_BYTES = 65_536

SESSION_LOST = -signal.SIGKILL
"""The exit code of the children of a zygote that died: the kernel kills them."""


_BOOTSTRAP = (
    "import sys; sys.path[:1] == [''] and sys.path.pop(0)\n"
    "import runpy; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)
"""Removes the folder of the program and the working directory from the import path. Python's option
for that (-P) needs 3.11, and other applications may have older interpreters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Facts of a Celery application that is imported."""

    is_warm: bool
    """Whether its workers can be forked."""
    version: str
    """The version of Celery."""
    pool: str
    """Its setting `worker_pool`."""
    queues: tuple[str, ...]
    """The queues that a worker without `--queues` consumes."""
    fanout_queues: tuple[str, ...]
    """The broadcast queues among these: each worker has its own copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryCommand:
    """A `celery` process to start."""

    arguments: Sequence[str]
    """The arguments after `celery -A <application>`."""
    title: str
    """The title in `ps`, if the process is forked."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment, if the process is not forked."""
    is_forked: bool = True
    """Whether it may start as a fork of the zygote."""


class NotImportable(CeleriacError):
    """The import of the Celery application failed; the message says why."""


class ZygoteGone(CeleriacError):
    """The zygote has ended, and all of its processes with it. Start another one."""


class ForkedProcess:
    """A `celery` process that a zygote has started."""

    def __init__(self, pid: int, *, send_signal: Callable[[int, int], None]) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._send_signal = send_signal

    async def wait(self) -> int:
        return await asyncio.shield(self.exited)

    def signal(self, number: signal.Signals) -> None:
        if not self.exited.done():
            self._send_signal(self.pid, number)


class ZygoteClient:
    """Starts the zygote of one Celery application and talks to it. Needs a running loop."""

    def __init__(
        self,
        celery_app: str,
        *,
        python: str,
        modules: Sequence[str],
        environment: Mapping[str, str],
        output_fd: int,
    ) -> None:
        self.celery_app = celery_app
        self._python = python
        ours, theirs = socket.socketpair()
        with theirs:
            self._zygote = ChildProcess(
                [
                    *(python, "-c", _BOOTSTRAP, zygote.__file__),
                    *(str(theirs.fileno()), celery_app, *modules),
                ],
                environment=environment,
                output_fd=output_fd,
                kept_fds=(theirs.fileno(),),
            )
        ours.settimeout(0)
        self._link = ours
        self._received = b""
        self._numbers = 0
        self._starting: dict[int, asyncio.Future[ForkedProcess]] = {}
        self._running: dict[int, ForkedProcess] = {}
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Application] = loop.create_future()
        loop.add_reader(ours, self._read)

    async def application(self) -> Application:
        """Wait until the application is imported.

        Raises:
            NotImportable: the import failed.
        """
        try:
            async with asyncio.timeout(IMPORT_LIMIT_S):
                return await asyncio.shield(self._ready)
        except TimeoutError as exc:
            raise self._not_importable(f"it takes more than {IMPORT_LIMIT_S:g} s") from exc

    async def start(self, command: CeleryCommand, *, output_fd: int) -> ForkedProcess:
        """Start `celery -A <application> ...`.

        Raises:
            NotImportable: the import of the application failed.
            ZygoteGone: the zygote has died; use another one.
        """
        await self.application()
        self._numbers += 1
        number = self._numbers
        started: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
        self._starting[number] = started
        request = {
            "id": number,
            "arguments": ["-A", self.celery_app, *command.arguments],
            "title": command.title,
            "environment": dict(command.environment),
            "is_forked": command.is_forked,
        }
        self._send(request, [output_fd])
        try:
            async with asyncio.timeout(START_LIMIT_S):
                return await started
        except TimeoutError as exc:
            raise ZygoteGone("the process that starts workers does not answer") from exc

    @property
    def is_open(self) -> bool:
        return self._link.fileno() >= 0

    @property
    def running(self) -> int:
        """The number of its processes that have not ended."""
        return len(self._running)

    async def close(self) -> None:
        """Kill the zygote, and with it all of its processes."""
        self._zygote.signal(signal.SIGKILL)
        await self._zygote.wait()
        if self.is_open:
            self._lost()

    def _send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:  # JSON
        try:
            socket.send_fds(self._link, [json.dumps(message).encode() + b"\n"], fds)
        except OSError as exc:
            raise ZygoteGone("the process that starts workers has ended") from exc

    def _signal(self, pid: int, number: int) -> None:
        with suppress(ZygoteGone):  # the kernel has killed the process too
            self._send({"signal": int(number), "pid": pid})

    def _read(self) -> None:
        try:
            data = self._link.recv(_MESSAGE_LIMIT_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._lost()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:  # JSON
        if "ready" in message:
            self._ready.set_result(_application(message))
        elif "failed" in message:
            self._ready.set_exception(self._not_importable(message["failed"]))
        elif "exited" in message:
            self._running.pop(message["exited"]).exited.set_result(message["code"])
        else:
            process = ForkedProcess(message["pid"], send_signal=self._signal)
            self._running[process.pid] = process
            started = self._starting.pop(message["id"])
            if started.done():  # the caller has stopped waiting
                process.signal(signal.SIGKILL)
            else:
                started.set_result(process)

    def _not_importable(self, reason: str) -> NotImportable:
        return NotImportable(
            f"the Celery application {self.celery_app!r} cannot be imported: {reason}"
            + ("" if self._python == sys.executable else f" (by {self._python})")
        )

    def _lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self._link)
        self._link.close()
        if not self._ready.done():
            self._ready.set_exception(self._not_importable("its process died"))
            self._ready.exception()  # marks it as retrieved, for asyncio
        for waiting in self._starting.values():
            if not waiting.done():
                waiting.set_exception(ZygoteGone("the process that starts workers has ended"))
        self._starting.clear()
        for process in self._running.values():
            process.exited.set_result(SESSION_LOST)
        self._running.clear()


def _application(message: Mapping[str, Any]) -> Application:  # JSON
    return Application(
        is_warm=message["is_warm"],
        version=message["version"],
        pool=message["pool"],
        queues=tuple(message["queues"]),
        fanout_queues=tuple(message["fanout_queues"]),
    )
