"""Child processes in a process group that ends as a whole: on request, at the timeout, and when
this process dies, even by SIGKILL."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from app.errors import ProcessFailed, ProcessTimedOut
from app.worker import die_with_parent

TERM_GRACE_S = 2.0
"""Between SIGTERM and SIGKILL."""

POLL_S = 0.1

LEFTOVER_S = 1.0
"""How long to wait for further output after the end. A process that has left the group, and that we
cannot end, may hold the pipes open."""

OUTPUT_END_BYTES = 16 * 1024
LINE_LIMIT_BYTES = 1024 * 1024
"""A longer line is passed on in pieces, to bound our memory."""


PASSED_ON = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "OMP_THREAD_LIMIT", "PATH", "TMPDIR", "TZ"}
    | {"FONTCONFIG_FILE", "FONTCONFIG_PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TESSDATA_PREFIX"}
)


def clean_environment() -> dict[str, str]:
    """The variables that a program needs to find its files and set its language.

    Programs that read untrusted files do not get the URLs of broker and database, or keys.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith("LC_")
    }


class ProcessGroup:
    """One command with everything that it starts. Call `run` once, and `stop` from any thread.

    The default of its environment is `clean_environment()`. `confinement` is its sandbox, as
    `policy.confinement_of` gives it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        confinement: str = "",
    ) -> None:
        self._command = tuple(command)
        self._environment = clean_environment() if environment is None else environment
        self._folder = folder
        self._confinement = confinement
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped_at: float | None = None

    @property
    def name(self) -> str:
        return Path(self._command[0]).name

    def stop(self) -> None:
        """Ask the group to end; `run` kills the rest of it after `TERM_GRACE_S`."""
        with self._lock:
            if self._stopped_at is None:
                self._stopped_at = time.monotonic()
                self._signal(signal.SIGTERM)

    def run(
        self, *, on_line: Callable[[str], None] | None = None, timeout_s: float | None = None
    ) -> str:
        """Run to the end; returns the end of its standard error.

        `on_line` gets each line of its standard output without the line end. An exception from it
        ends the group and is raised. The whole group has ended when this returns.

        Raises:
            ProcessFailed: exit code not 0 (negative: ended by that signal).
            ProcessTimedOut: still running after `timeout_s`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        process = self._start()
        output = _Output(on_line)
        try:
            has_timed_out = self._attend(process, output, deadline)
        finally:
            self._end(process)
        if process.returncode >= 0 and not has_timed_out:
            output.finish()  # of one that was ended, the last line is a piece of a line
        if has_timed_out:
            raise ProcessTimedOut(
                command=self.name, exit_code=process.returncode, output_end=output.error_end
            )
        if process.returncode != 0:
            raise ProcessFailed(
                command=self.name, exit_code=process.returncode, output_end=output.error_end
            )
        return output.error_end

    def _start(self) -> subprocess.Popen[bytes]:
        with self._lock:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    die_with_parent.__file__,
                    str(os.getpid()),
                    self._confinement,
                    *self._command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=dict(self._environment),
                start_new_session=True,
            )
            if self._stopped_at is not None:
                self._signal(signal.SIGTERM)
            return self._process

    def _attend(
        self, process: subprocess.Popen[bytes], output: "_Output", deadline: float | None
    ) -> bool:
        """Pass its output on until it ends; returns whether that was by the timeout."""
        has_timed_out = False
        with _reading(process) as streams:
            while not _has_ended(process):
                output.take(streams.select(POLL_S))
                if deadline is not None and time.monotonic() > deadline:
                    has_timed_out = True
                    self.stop()
                self._kill_if_stubborn()
            self._kill()  # what it started and left behind holds the other ends of the pipes
            while streams.get_map() and (ready := streams.select(LEFTOVER_S)):
                output.take(ready)
        return has_timed_out

    def _kill_if_stubborn(self) -> None:
        stopped_at = self._stopped_at
        if stopped_at is not None and time.monotonic() - stopped_at > TERM_GRACE_S:
            self._kill()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if not _has_ended(process):
            self.stop()
            give_up_at = time.monotonic() + TERM_GRACE_S
            while not _has_ended(process) and time.monotonic() < give_up_at:
                time.sleep(POLL_S)
        self._kill()
        with self._lock:
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def _kill(self) -> None:
        with self._lock:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The leader is not reaped before `_end` is done, so the group's id is still ours.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the leader is gone, without reaping it."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@contextlib.contextmanager
def _reading(process: subprocess.Popen[bytes]) -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as streams:
        for stream, is_error in ((process.stdout, False), (process.stderr, True)):
            if stream is not None:
                streams.register(stream, selectors.EVENT_READ, (streams, is_error))
        yield streams


class _Output:
    """Splits standard output into lines and keeps the end of standard error."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._begun = b""
        self._error_end = b""

    @property
    def error_end(self) -> str:
        return self._error_end.decode(errors="replace")

    def take(self, ready: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        for key, _ in ready:
            streams, is_error = key.data
            block = os.read(key.fd, 64 * 1024)
            if not block:
                streams.unregister(key.fileobj)
            elif is_error:
                self._error_end = (self._error_end + block)[-OUTPUT_END_BYTES:]
            elif self._on_line is not None:
                self._cut(block)

    def finish(self) -> None:
        if self._begun:
            self._hand_over(self._begun)

    def _cut(self, block: bytes) -> None:
        *lines, self._begun = (self._begun + block).split(b"\n")
        for line in lines:
            self._hand_over(line)
        while len(self._begun) > LINE_LIMIT_BYTES:
            self._hand_over(self._begun[:LINE_LIMIT_BYTES])
            self._begun = self._begun[LINE_LIMIT_BYTES:]

    def _hand_over(self, line: bytes) -> None:
        if self._on_line is not None:
            self._on_line(line.rstrip(b"\r").decode(errors="replace"))
