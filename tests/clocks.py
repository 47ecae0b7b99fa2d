"""A clock that tests advance."""

from datetime import UTC, datetime, timedelta

from app.jobs.model.clock import Clock


class ManualClock(Clock):
    """Stands still until it is turned; who sleeps by it turns it."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at if at is not None else datetime.now(UTC)
        self._passed_s = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self._passed_s

    def sleep(self, seconds: float) -> None:
        self.turn(seconds)

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self._passed_s += seconds
