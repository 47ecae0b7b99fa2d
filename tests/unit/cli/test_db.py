"""How long `celeriac db upgrade` waits for its database."""

from collections.abc import Callable

import pytest

from app.cli import db
from app.errors import PermanentError, StorageUnavailable


class Clock:
    """A clock that advances by pauses."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def away_until(moment_s: float, clock: Clock) -> Callable[[], str]:
    """A database that answers from that moment on."""

    def run() -> str:
        if clock() < moment_s:
            raise StorageUnavailable("no answer")
        return "0001"

    return run


def test_a_database_that_answers_in_time_is_upgraded() -> None:
    clock = Clock()
    run = away_until(109.0, clock)
    assert db.retried(run, give_up_after_s=10.0, clock=clock, pause=clock.pause) == "0001"


@pytest.mark.parametrize(("give_up_after_s", "want_s"), [(0.0, 0.0), (10.0, 10.0)])
def test_it_gives_up_after_that_time(give_up_after_s: float, want_s: float) -> None:
    clock = Clock()
    with pytest.raises(StorageUnavailable):
        db.retried(
            away_until(1000.0, clock),
            give_up_after_s=give_up_after_s,
            clock=clock,
            pause=clock.pause,
        )
    assert clock() - 100.0 == want_s


def test_what_waiting_does_not_mend_is_told_at_once() -> None:
    def run() -> str:
        raise PermanentError("no such database")

    clock = Clock()
    with pytest.raises(PermanentError):
        db.retried(run, give_up_after_s=10.0, clock=clock, pause=clock.pause)
    assert clock() == 100.0
