"""Telling work to end."""

import pytest

from app.errors import Cancelled, Superseded
from app.jobs.run.stop import Stop


class Process:
    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


def test_work_goes_on_while_nobody_says_otherwise() -> None:
    stop = Stop()

    stop.check()

    assert stop.error is None


def test_the_first_reason_stays() -> None:
    stop = Stop()

    stop.request(Cancelled("first"))
    stop.request(Superseded("second"))

    with pytest.raises(Cancelled, match="first"):
        stop.check()


def test_processes_are_stopped_with_the_work() -> None:
    stop, running, done = Stop(), Process(), Process()
    with stop.covering(done):
        pass

    with stop.covering(running):
        stop.request(Cancelled("now"))

    assert (running.stops, done.stops) == (1, 0)


def test_a_process_that_starts_too_late_is_stopped_at_once() -> None:
    stop, late = Stop(), Process()
    stop.request(Cancelled("now"))

    with stop.covering(late):
        assert late.stops == 1
