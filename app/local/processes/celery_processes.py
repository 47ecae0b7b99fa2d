"""Starts `celery` processes through a zygote, with their output in log files."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.local.console import RunConsole
from app.local.data_dir import LOG_LIMIT_BYTES, DataDir
from app.local.processes.zygote_client import (
    Application,
    CeleryCommand,
    ForkedProcess,
    ZygoteClient,
)

_ERROR_MARKS = (": ERROR/", ": CRITICAL/", '"level": "error"', '"level": "critical"')
"""Parts of log lines, Celery's and ours, that mark an error."""


_CHUNK_BYTES = 65_536
_LINE_LIMIT_BYTES = 16_384
"""`on_line` gets longer lines truncated; the file has all of them."""

_CHUNKS_AT_END = 64
"""Limit for reading after the end of a child, since its children may continue to write."""

OnLine = Callable[[str], None]


class LogFile:
    """Appends to a file, which is rotated at a limit."""

    def __init__(self, path: Path, *, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self.began_at_bytes = self._file.tell()
        """Where the output of this run begins."""

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        if self._file.tell() > self._limit_bytes:
            self._file.close()
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab")
            self.began_at_bytes = 0

    def close(self) -> None:
        self._file.close()


class OutputPipe:
    """A pipe for the output of one child: pass `write_fd` to the child, then close it here.

    The output goes to the log file, and line by line to `on_line`. Needs a running loop.
    """

    def __init__(self, log: LogFile, *, on_line: OnLine) -> None:
        self._log = log
        self._on_line = on_line
        self._begun_line = b""
        self._last_line = ""
        read_fd, self.write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        self._read_fd: int | None = read_fd
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(read_fd, self._read)

    def close_write_end(self) -> None:
        """Close our copy. The pipe ends when the last process closes its copy."""
        os.close(self.write_fd)

    @property
    def is_open(self) -> bool:
        return self._read_fd is not None

    def close(self) -> None:
        """Stop reading; may be called twice."""
        if self._read_fd is not None:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = None

    def last_line_by_now(self) -> str:
        """The last line of a child that has ended, without blank lines. Reads what is left."""
        for _ in range(_CHUNKS_AT_END):
            if not self._read():
                break
        return self._note(self._begun_line) or self._last_line

    def _read(self) -> bool:
        """Read a chunk; returns whether there was one."""
        if self._read_fd is None:
            return False
        try:
            data = os.read(self._read_fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self._log.write(data)
        *lines, rest = (self._begun_line + data).split(b"\n")
        self._begun_line = rest[:_LINE_LIMIT_BYTES]
        for line in lines:
            self._on_line(self._note(line))
        return True

    def _note(self, line: bytes) -> str:
        text = line.decode(errors="replace").rstrip()
        self._last_line = text or self._last_line
        return text


class ProcessOutputs:
    """The log files of all children. Lines about errors are also shown on the console."""

    def __init__(self, data_dir: DataDir, console: RunConsole) -> None:
        self._data_dir = data_dir
        self._console = console
        self._files: dict[str, LogFile] = {}
        self._pipes: list[OutputPipe] = []
        self.is_quiet = False
        """Show no errors, since processes complain when they are stopped."""

    def open(self, name: str) -> OutputPipe:
        """Open a pipe into the log file of this name."""
        if name not in self._files:
            self._files[name] = LogFile(self._data_dir.log(name))
        pipe = OutputPipe(self._files[name], on_line=self._reader(name))
        self._pipes = [one for one in self._pipes if one.is_open] + [pipe]
        return pipe

    def last_lines(self, name: str, *, count: int) -> str:
        """The last lines that this run has written to the log file of this name."""
        file = self._files.get(name)
        if file is None:
            return ""
        written = file.path.read_bytes()[file.began_at_bytes :].decode(errors="replace")
        return "\n".join(written.splitlines()[-count:])

    def close(self) -> None:
        """Close all pipes and files. Call it when the children have ended."""
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
    """A `celery` process and its output."""

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
        """The last line of its output, once it has ended."""
        return self._output.last_line_by_now()


class CeleryProcesses:
    """The processes of one Celery application on this machine. Needs a running loop."""

    def __init__(
        self,
        celery_app: str,
        *,
        python: str,
        modules: Sequence[str],
        environment: Mapping[str, str],
        outputs: ProcessOutputs,
    ) -> None:
        self._celery_app = celery_app
        self._python = python
        self._modules = modules
        self._environment = environment
        self._outputs = outputs
        self._zygote = self._open()
        self._former: list[ZygoteClient] = []

    async def application(self) -> Application:
        """Wait until the application is imported.

        Raises:
            NotImportable: the import failed.
        """
        if not self._zygote.is_open:
            self._zygote = self._open()
        return await self._zygote.application()

    async def start(self, command: CeleryCommand, *, log: str) -> LoggedProcess:
        """Start `celery -A <application> ...`.

        Raises:
            NotImportable: the import of the application failed.
            ZygoteGone: the zygote has just died.
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
        """Import the application again, for processes that start later."""
        self._former.append(self._zygote)
        self._zygote = self._open()
        for zygote in [one for one in self._former if one.running == 0]:
            self._former.remove(zygote)
            await zygote.close()

    async def close(self) -> None:
        """Kill all processes."""
        for zygote in (self._zygote, *self._former):
            await zygote.close()

    def _open(self) -> ZygoteClient:
        pipe = self._outputs.open("zygote")
        try:
            return ZygoteClient(
                self._celery_app,
                python=self._python,
                modules=self._modules,
                environment=self._environment,
                output_fd=pipe.write_fd,
            )
        finally:
            pipe.close_write_end()
