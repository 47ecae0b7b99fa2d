"""Starts `celery` processes: each made by a zygote, its output in a log file."""

import signal
from collections.abc import Callable, Mapping, Sequence

from app.local.console import Console
from app.local.data_dir import DataDir
from app.local.processes.output_log import LogFile, OutputPipe
from app.local.processes.zygote_client import Application, CeleryCommand, ForkedProcess, ZygoteLink

_ERROR_MARKS = (": ERROR/", ": CRITICAL/", '"level": "error"', '"level": "critical"')
"""How Celery's own log lines, and ours, say that something is wrong."""


class Outputs:
    """The log files of all children; lines that tell of errors are shown too."""

    def __init__(self, data_dir: DataDir, console: Console) -> None:
        self._data_dir = data_dir
        self._console = console
        self._files: dict[str, LogFile] = {}
        self._pipes: list[OutputPipe] = []
        self.is_quiet = False
        """Show no errors: processes that are made to end complain."""

    def open(self, name: str) -> OutputPipe:
        """A pipe into the log file of this name."""
        if name not in self._files:
            self._files[name] = LogFile(self._data_dir.log(name))
        pipe = OutputPipe(self._files[name], on_line=self._reader(name))
        self._pipes = [one for one in self._pipes if one.is_open] + [pipe]
        return pipe

    def last_lines(self, name: str, *, count: int) -> str:
        """The end of the log file of this name, of what this run has written."""
        file = self._files.get(name)
        if file is None:
            return ""
        written = file.path.read_bytes()[file.began_at_bytes :].decode(errors="replace")
        return "\n".join(written.splitlines()[-count:])

    def close(self) -> None:
        """Close what is left; the children have ended."""
        for pipe in self._pipes:
            pipe.close()
        for file in self._files.values():
            file.close()

    def _reader(self, name: str) -> Callable[[str], None]:
        def read(line: str) -> None:
            if not self.is_quiet and any(mark in line for mark in _ERROR_MARKS):
                self._console.error_of(name, line)

        return read


class LoggedProcess:
    """A `celery` process, and what it has printed."""

    def __init__(self, process: ForkedProcess, output: OutputPipe) -> None:
        self._process = process
        self._output = output

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._process.signal(number)

    def last_line(self) -> str:
        """Of its output, once it has ended."""
        return self._output.last_line_by_now()


class CeleryProcesses:
    """One Celery application's processes on this machine. Needs a running loop."""

    def __init__(
        self,
        celery_app: str,
        *,
        python: str,
        modules: Sequence[str],
        environment: Mapping[str, str],
        outputs: Outputs,
    ) -> None:
        self._celery_app = celery_app
        self._python = python
        self._modules = modules
        self._environment = environment
        self._outputs = outputs
        self._zygote = self._open()
        self._former: list[ZygoteLink] = []

    async def application(self) -> Application:
        """The application, once it is imported.

        Raises:
            NotImportable: it cannot be (any more).
        """
        if not self._zygote.is_open:
            self._zygote = self._open()
        return await self._zygote.application()

    async def start(self, command: CeleryCommand, *, log: str) -> LoggedProcess:
        """Start `celery -A <application> ...`.

        Raises:
            NotImportable: the application cannot be imported (any more).
            ZygoteGone: the zygote died just now.
        """
        if not self._zygote.is_open:
            self._zygote = self._open()
        pipe = self._outputs.open(log)
        try:
            process = await self._zygote.start(command, output_fd=pipe.write_fd)
            return LoggedProcess(process, pipe)
        finally:
            pipe.close_write_end()

    async def renew(self) -> None:
        """Import the application again for whatever starts from now on."""
        self._former.append(self._zygote)
        self._zygote = self._open()
        for zygote in [one for one in self._former if one.running == 0]:
            self._former.remove(zygote)
            await zygote.close()

    async def close(self) -> None:
        """Kill what is left."""
        for zygote in (self._zygote, *self._former):
            await zygote.close()

    def _open(self) -> ZygoteLink:
        pipe = self._outputs.open("zygote")
        try:
            return ZygoteLink(
                self._celery_app,
                python=self._python,
                modules=self._modules,
                environment=self._environment,
                output_fd=pipe.write_fd,
            )
        finally:
            pipe.close_write_end()
