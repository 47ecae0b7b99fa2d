"""Child processes that end with us, whatever ends us."""

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
    """A child of this process, or of one that acts for it."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int:
        """Its exit code once it has ended; negative: the number of the signal that ended it."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""


class ChildProcess:
    """A command in a session of its own, which the kernel ends when this process dies.

    Start it in the main thread: the kernel takes the death of the starting thread for our own.
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
            [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *command],
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
        # No event tells of it on every system, and nobody but us may reap it: see `signal`.
        while (code := self._popen.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        return code

    def signal(self, number: signal.Signals) -> None:
        """To the whole session: the command, its children, and `die_with_parent`, which leaves
        SIGTERM and SIGINT to them."""
        # Not reaped yet, so the number is still our child's.
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, number)
