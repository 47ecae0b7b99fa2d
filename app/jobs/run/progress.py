"""Progress as clients see it: of the whole job, never going backwards, at most so often."""

import threading
import time
from collections.abc import Callable

from app.jobs.model.job import Progress

INTERVAL_S = 0.25
"""Four events a second are smooth for an eye and cheap for Redis."""


def job_percent(stage_percent: float, *, share: tuple[float, float]) -> float:
    """A stage's own percentage as the job's.

    >>> job_percent(50, share=(60, 90))
    75.0
    """
    start, end = share
    return start + (end - start) * min(max(stage_percent, 0.0), 100.0) / 100.0


class Periodic:
    """Limits how often something happens."""

    def __init__(self, *, every_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._due_at = monotonic() + every_s

    def is_due(self) -> bool:
        """Whether `every_s` have passed since it last said so, or since the beginning."""
        now = self._monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + self._every_s
        return True


class Meter:
    """Takes every report of one run and passes on at most one per interval; safe to use from
    threads.

    A report that comes too early is kept: `flush` passes on the last one.
    """

    def __init__(
        self,
        pass_on: Callable[[Progress], None],
        *,
        floor: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pass_on = pass_on
        self._floor = floor
        self._monotonic = monotonic
        self._passed_on_at = -INTERVAL_S
        self._kept: Progress | None = None
        self._last: Progress | None = None
        self._lock = threading.Lock()

    @property
    def floor(self) -> float:
        """The highest percentage so far: it never goes below."""
        return self._floor

    @property
    def last(self) -> Progress | None:
        """The last report, passed on or not."""
        return self._last

    def report(self, progress: Progress) -> None:
        """Pass it on, or keep it when the interval has not passed."""
        with self._lock:
            self._floor = max(self._floor, progress.progress)
            raised = Progress(
                progress=self._floor,
                message=progress.message,
                speed=progress.speed,
                eta_seconds=progress.eta_seconds,
            )
            self._last = raised
            if self._monotonic() - self._passed_on_at < INTERVAL_S:
                self._kept = raised
                return
            self._pass_on_now(raised)

    def flush(self) -> None:
        """Pass on the kept report, if any."""
        with self._lock:
            if self._kept is not None:
                self._pass_on_now(self._kept)

    def _pass_on_now(self, progress: Progress) -> None:
        self._passed_on_at = self._monotonic()
        self._kept = None
        self._pass_on(progress)
