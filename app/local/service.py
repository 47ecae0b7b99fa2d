"""A server that has to be there all the time: started again when it dies."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from app.errors import CeleriacError
from app.local import console
from app.local.console import Console
from app.local.processes import backoff
from app.local.processes import hurry as hurries
from app.local.processes.child_process import Process

KILL_AFTER_S = 3.0


class Service:
    """Keeps one process running, and says so when it could not."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[Process]],
        *,
        console: Console,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._start = start
        self._console = console
        self._clock = clock
        self.failures = 0
        """Deaths in a row that nobody asked for."""
        self._process: Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_renewing = False

    def open(self) -> None:
        """Start it, and again whenever it dies, until `stop`."""
        self._life = asyncio.create_task(self._live(), name=self.name)

    def renew(self) -> None:
        """End the process, and start it with the code of now."""
        if self._process is not None:
            self._is_renewing = True
            self._process.signal(signal.SIGTERM)

    async def stop(self, *, grace_s: float, hurry: asyncio.Event) -> None:
        """End it: SIGTERM, and SIGKILL after the grace or when in a hurry."""
        self._is_stopping = True
        if self._life is None:
            return
        if self._process is None:  # between two lives
            self._life.cancel()
        elif not hurry.is_set():
            self._process.signal(signal.SIGTERM)
        await hurries.wait([self._life], within_s=grace_s, hurry=hurry)
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
            self.failures = backoff.failures_after(self.failures, lived_s=lived_s)
            pause_s = backoff.pause_s(self.failures)
            self._console.problem(self.name, f"{reason}; starting again in {pause_s:g} s")
            await asyncio.sleep(pause_s)

    async def _once(self) -> str:
        """One life of it; returns how it ended."""
        try:
            self._process = await self._start()
            return f"ended with {console.ending(await self._process.wait())}"
        except (CeleriacError, OSError) as exc:
            return f"could not start: {exc}"
        finally:
            self._process = None
