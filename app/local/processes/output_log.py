"""What child processes print: kept in bounded files, and read for what people should see."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

FILE_LIMIT_BYTES = 10 * 1024 * 1024
"""At this size a log file is renamed to `….1`, over the one before."""

_CHUNK_BYTES = 65_536
_LINE_LIMIT_BYTES = 16_384
"""A longer line is cut for whoever reads lines; the file has all of it."""

_CHUNKS_AT_END = 64
"""A child of a child that has ended may go on writing."""

OnLine = Callable[[str], None]


class LogFile:
    """Appends to a file that does not grow without end."""

    def __init__(self, path: Path, *, limit_bytes: int = FILE_LIMIT_BYTES) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self.began_at_bytes = self._file.tell()
        """What stands before it was written by an earlier run."""

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
    """A pipe for the output of one child: give `write_fd` to the child, then close it here.

    What comes out goes to the log file, and line by line to `on_line`. Needs a running loop.
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
        """The child has it now. The pipe ends by itself when the last process closes it."""
        os.close(self.write_fd)

    @property
    def is_open(self) -> bool:
        return self._read_fd is not None

    def close(self) -> None:
        """Read no more; safe to call twice."""
        if self._read_fd is not None:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = None

    def last_line_by_now(self) -> str:
        """The last line of a child that has ended, read to its end. Blank lines do not count."""
        for _ in range(_CHUNKS_AT_END):
            if not self._read():
                break
        return self._note(self._begun_line) or self._last_line

    def _read(self) -> bool:
        """Whether there was something to read."""
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
