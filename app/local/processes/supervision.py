"""Supervision of processes: restarts with a backoff, and waits that can be interrupted."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection

from app.errors import CeleriacError
from app.local.console import RunConsole
from app.local.processes.child_process import Process

KILL_AFTER_S = 3.0
_QUOTED_LENGTH = 200

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 30.0
"""A process that has run for this long was healthy: earlier failures do not count."""


def restart_pause_s(failures: int) -> float:
    """Seconds before the next start, after this many failures in a row.

    >>> [restart_pause_s(failures) for failures in (0, 1, 2, 3, 10)]
    [0.0, 0.5, 1.0, 2.0, 30.0]
    """
    if failures == 0:
        return 0.0
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (failures - 1))


def failures_after(failures: int, *, lived_s: float) -> int:
    """The number of failures in a row after one more."""
    return 1 if lived_s >= HEALTHY_AFTER_S else failures + 1


def exit_reason(exit_code: int, *, last_line: str = "") -> str:
    """How a process ended, with the last line of its log if that may explain it.

    >>> exit_reason(1), exit_reason(-9)
    ('exit code 1', 'signal SIGKILL')
    >>> exit_reason(2, last_line="Error: no such option: --tiems")
    "exit code 2; the last line of its log: 'Error: no such option: --tiems'"
    """
    if exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    if not last_line:
        return f"exit code {exit_code}"
    is_long = len(last_line) > _QUOTED_LENGTH
    quoted = last_line[:_QUOTED_LENGTH] + ("…" if is_long else "")
    return f"exit code {exit_code}; the last line of its log: {quoted!r}"


async def wait_until_done(
    tasks: "Collection[asyncio.Task[object]]", *, within_s: float, skip: asyncio.Event
) -> None:
    """Return when all tasks are done, the time is up or `skip` is set. Cancels none of them."""
    if not tasks or skip.is_set():
        return
    done = asyncio.create_task(_all_done(tasks))
    skipped = asyncio.create_task(_is_set(skip))
    await asyncio.wait({done, skipped}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    done.cancel()
    skipped.cancel()


async def _all_done(tasks: "Collection[asyncio.Task[object]]") -> None:
    await asyncio.wait(tasks)


async def _is_set(event: asyncio.Event) -> None:
    await event.wait()


class SupervisedProcess:
    """Keeps one process running, and reports its failures on the console."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[Process]],
        *,
        console: RunConsole,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._start = start
        self._console = console
        self._clock = clock
        self.failures = 0
        """Failures in a row."""
        self._process: Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_renewing = False

    def open(self) -> None:
        """Start the process, and restart it whenever it ends, until `stop`."""
        self._life = asyncio.create_task(self._live(), name=self.name)

    def renew(self) -> None:
        """Restart the process with the current code."""
        if self._process is not None:
            self._is_renewing = True
            self._process.signal(signal.SIGTERM)

    async def stop(self, *, grace_s: float, skip: asyncio.Event) -> None:
        """Stop the process: SIGTERM, then SIGKILL after `grace_s` or when `skip` is set."""
        self._is_stopping = True
        if self._life is None:
            return
        if self._process is None:  # waiting for a restart
            self._life.cancel()
        elif not skip.is_set():
            self._process.signal(signal.SIGTERM)
        await wait_until_done([self._life], within_s=grace_s, skip=skip)
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
        await asyncio.wait([self._life], timeout=KILL_AFTER_S)

    async def _live(self) -> None:
        while True:
            began_at_s = self._clock()
            reason = await self._once()
            if self._is_stopping:
                return
            if self._is_renewing:
                self._is_renewing = False
                continue
            lived_s = self._clock() - began_at_s
            self.failures = failures_after(self.failures, lived_s=lived_s)
            pause_s = restart_pause_s(self.failures)
            self._console.problem(self.name, f"{reason}; starting again in {pause_s:g} s")
            await asyncio.sleep(pause_s)

    async def _once(self) -> str:
        """Run the process once; returns how it ended."""
        try:
            self._process = await self._start()
            return f"ended with {exit_reason(await self._process.wait())}"
        except (CeleriacError, OSError) as exc:
            return f"could not start: {exc}"
        finally:
            self._process = None
