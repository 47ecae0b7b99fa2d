"""Progress as clients see it: of the whole job, never going backwards, at most so often."""

import threading
import time
from collections.abc import Callable

from app.jobs.events import Seen

INTERVAL_S = 0.25
"""Four events a second are smooth for an eye and cheap for Redis."""


def job_percent(stage_percent: float, *, share: tuple[float, float]) -> float:
    """A stage's own percentage as the job's.

    >>> job_percent(50, share=(60, 90))
    75.0
    """
    start, end = share
    return start + (end - start) * min(max(stage_percent, 0.0), 100.0) / 100.0


class Meter:
    """Takes every report of one run and tells those that matter; safe to use from many threads.

    What comes too early is kept: `flush` tells the last of it.
    """

    def __init__(
        self,
        tell: Callable[[Seen], None],
        *,
        floor: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._floor = floor
        self._monotonic = monotonic
        self._told_at = -INTERVAL_S
        self._kept: Seen | None = None
        self._lock = threading.Lock()

    @property
    def floor(self) -> float:
        """The highest percentage so far: it never goes below."""
        return self._floor

    def report(self, seen: Seen) -> None:
        """Tell it, or keep it when something was told just now."""
        with self._lock:
            self._floor = max(self._floor, seen.progress)
            raised = Seen(
                progress=self._floor,
                message=seen.message,
                speed=seen.speed,
                eta_seconds=seen.eta_seconds,
            )
            if self._monotonic() - self._told_at < INTERVAL_S:
                self._kept = raised
                return
            self._tell_now(raised)

    def flush(self) -> None:
        """Tell what was kept, when there is something."""
        with self._lock:
            if self._kept is not None:
                self._tell_now(self._kept)

    def _tell_now(self, seen: Seen) -> None:
        self._told_at = self._monotonic()
        self._kept = None
        self._tell(seen)
