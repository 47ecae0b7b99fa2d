"""Progress as clients see it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.model.job import Progress
from app.jobs.run import progress
from app.jobs.run.progress import Meter, Periodic


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def report(meter: Meter, *percents: float) -> None:
    for percent in percents:
        meter.report(Progress(progress=percent))


@pytest.mark.parametrize(
    ("percent", "want"),
    [(0, 60), (50, 75), (100, 90), pytest.param(-5, 60, id="below"), pytest.param(120, 90)],
)
def test_a_stage_has_its_share_of_the_job(percent: float, want: float) -> None:
    assert progress.job_percent(percent, share=(60, 90)) == want


def test_the_first_report_is_told_at_once() -> None:
    told: list[Progress] = []
    meter = Meter(told.append, floor=0.0, monotonic=Clock())

    report(meter, 1)

    assert told == [Progress(progress=1)]


def test_reports_that_come_too_fast_are_held_back_and_the_last_one_is_told() -> None:
    told: list[Progress] = []
    clock = Clock()
    meter = Meter(told.append, floor=0.0, monotonic=clock)

    report(meter, 1, 2, 3)
    clock.now += progress.INTERVAL_S
    report(meter, 4, 5)
    meter.flush()
    meter.flush()

    assert [seen.progress for seen in told] == [1, 4, 5]


def test_at_most_four_a_second_are_told() -> None:
    told: list[Progress] = []
    clock = Clock()
    meter = Meter(told.append, floor=0.0, monotonic=clock)

    for step in range(1000):
        report(meter, step / 10)
        clock.now += 0.01

    assert len(told) == pytest.approx(40, abs=1)


@given(floor=st.floats(0, 100), percents=st.lists(st.floats(0, 100), min_size=1))
def test_progress_never_goes_backwards(floor: float, percents: list[float]) -> None:
    told: list[Progress] = []
    clock = Clock()
    meter = Meter(told.append, floor=floor, monotonic=clock)

    for percent in percents:
        report(meter, percent)
        clock.now += 1

    values = [floor, *(seen.progress for seen in told)]
    assert values == sorted(values)
    assert meter.floor == max(floor, *percents)


def test_periodic_says_yes_once_in_a_while() -> None:
    clock = Clock()
    periodic = Periodic(every_s=5, monotonic=clock)
    answers = []

    for _ in range(12):
        clock.now += 1
        answers.append(periodic.is_due())

    assert [second for second, answer in enumerate(answers, 1) if answer] == [5, 10]
