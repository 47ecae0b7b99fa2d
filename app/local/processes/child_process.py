"""Child processes that die with this process, however it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from app.worker import die_with_parent

_POLL_S = 0.05


class Process(Protocol):
    """A child of this process, or of its zygote."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int:
        """Wait for the end; returns the exit code, or the negative number of a signal."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""


class ChildProcess:
    """A command in a session of its own that dies with this process.

    Start it in the main thread: the kernel reacts to the death of the starting thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output_fd: int,
        kept_fds: Sequence[int] = (),
    ) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), "", *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd,
            start_new_session=True,
            pass_fds=kept_fds,
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    async def wait(self) -> int:
        # No event works on every system, and only we may reap the child: see `signal`.
        while (code := self._popen.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole session: the command, its children, and `die_with_parent`, which ignores
        SIGTERM and SIGINT."""
        # The child is not reaped yet, so the process id is still its own.
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, number)
