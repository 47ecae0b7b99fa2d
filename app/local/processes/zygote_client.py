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
"""What children of a zygote that died have ended with: the kernel has killed them."""


_BOOTSTRAP = (
    "import sys; sys.path[:1] == [''] and sys.path.pop(0)\n"
    "import runpy; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)
"""Neither our own folder, where the program lies, nor the working directory is a place to import
from. Python's own option for that (-P) is younger than interpreters of other applications are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a Celery application says of itself once it is imported."""

    is_warm: bool
    """Whether its workers can be forked."""
    version: str
    """Of Celery."""
    pool: str
    """`worker_pool` of its configuration; Celery's default is prefork."""
    queues: tuple[str, ...]
    """What a worker consumes that is told no queues."""
    fanout_queues: tuple[str, ...]
    """Of these, those of which each worker has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryCommand:
    """A `celery` process to start."""

    arguments: Sequence[str]
    """Behind `celery -A <application>`."""
    title: str
    """How it is shown by `ps`, where it is forked."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to that of the application's other processes, where it is not forked."""
    is_forked: bool = True
    """Whether it may start as a copy of a process that has imported everything."""


class NotImportable(CeleriacError):
    """The Celery application could not be imported; the message says why."""


class ZygoteGone(CeleriacError):
    """The process that starts workers has ended, and all of them with it. Start another one."""


class ForkedProcess:
    """A `celery` process that a zygote has made."""

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
    """A zygote of one Celery application. Needs a running loop."""

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
        """The application, once it is imported.

        Raises:
            NotImportable: its import failed.
        """
        try:
            async with asyncio.timeout(IMPORT_LIMIT_S):
                return await asyncio.shield(self._ready)
        except TimeoutError as exc:
            raise self._not_importable(f"it takes more than {IMPORT_LIMIT_S:g} s") from exc

    async def start(self, command: CeleryCommand, *, output_fd: int) -> ForkedProcess:
        """Start `celery -A <application> ...`.

        Raises:
            NotImportable: the application cannot be imported.
            ZygoteGone: start it with another zygote.
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
        """How many processes it has made that have not ended."""
        return len(self._running)

    async def close(self) -> None:
        """End the zygote, and with it every process that it has made."""
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
        with suppress(ZygoteGone):  # the kernel has ended the process
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
            if started.done():  # nobody waits for it any more
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
            self._ready.exception()  # nobody has to ask for it
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
