"""Schedules over real databases and a real broker, with a clock that tests turn."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.jobs.maintenance.scheduler import Scheduler
from app.jobs.model.job import JobState
from app.jobs.model.pipeline import Registry, Schedule
from app.jobs.platform import Platform
from app.settings import Settings
from tests import probe
from tests.clocks import ManualClock
from tests.integration.jobs import acts
from tests.integration.jobs.test_reconciler import messages
from tests.waiting import eventually

NIGHTLY = Schedule(name="nightly", cron="0 2 * * *", params={"name": "night"})


@pytest.fixture
def nightly(platform: Platform, clock: ManualClock) -> Iterator[Platform]:
    """The platform with a schedule."""
    known = Registry([replace(probe.PIPELINE, schedules=(NIGHTLY,))])
    opened = Platform(settings=Settings(), registry=known, celery=platform.celery, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> ManualClock:
    """A noon a while ahead, so that jobs that are made now are old."""
    at = (datetime.now(UTC) + timedelta(days=10)).replace(hour=12, minute=0, second=0)
    return ManualClock(at)


def begun(platform: Platform) -> list[str | None]:
    """The moments of the jobs that began by the schedule."""
    jobs = platform.jobs.list().jobs
    assert {job.labels["schedule"] for job in jobs} <= {"nightly"}
    return [(job.idempotency_key or "").removeprefix("schedule:nightly:")[:16] for job in jobs]


def night(clock: ManualClock, days: int = 0) -> str:
    return (clock.now().replace(hour=2) + timedelta(days=days)).isoformat()[:16]


def test_a_job_begins_once_when_its_time_has_come(nightly: Platform, clock: ManualClock) -> None:
    schedulers = [Scheduler(nightly.jobs, nightly.schedules, clock=clock) for _ in range(4)]
    schedulers[0].tick()
    assert begun(nightly) == []  # nothing is made up for that was before the first beat
    clock.turn(14 * 3600)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda one: one.tick(), schedulers))
    schedulers[0].tick()
    assert begun(nightly) == [night(clock)]
    [job] = acts.listed(nightly)
    assert (job.pipeline, job.params) == ("probe", {"name": "night", "plan": {}})
    assert [one.rpartition(".")[0] for one in messages(nightly)] == [job.id]


def test_what_a_beat_missed_begins_once(
    nightly: Platform, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(nightly.jobs, nightly.schedules, clock=clock)
    clock.turn(24 * 3600)
    scheduler.tick()
    nightly.jobs.cancel(nightly.jobs.list().jobs[0].id)
    first = night(clock)
    clock.turn(5 * 24 * 3600)
    after = Scheduler(
        nightly.jobs, nightly.schedules, clock=clock
    )  # another beat, after five days without one
    after.tick()
    after.tick()
    assert begun(nightly) == [night(clock), first]


def test_a_schedule_does_not_begin_while_its_last_job_goes_on(
    nightly: Platform, clock: ManualClock
) -> None:
    scheduler = Scheduler(nightly.jobs, nightly.schedules, clock=clock)
    clock.turn(24 * 3600)
    scheduler.tick()
    clock.turn(24 * 3600)
    scheduler.tick()
    assert begun(nightly) == [night(clock, -1)]
    nightly.jobs.cancel(nightly.jobs.list().jobs[0].id)
    scheduler.tick()
    assert begun(nightly) == [night(clock, -1)]  # the night is over: the next one counts
    clock.turn(24 * 3600)
    scheduler.tick()
    assert begun(nightly) == [night(clock), night(clock, -2)]


def test_a_schedule_that_is_off_never_begins(
    platform: Platform, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_SCHEDULES", '{"nightly": "off"}')
    known = Registry([replace(probe.PIPELINE, schedules=(NIGHTLY,))])
    opened = Platform(settings=Settings(), registry=known, celery=platform.celery, clock=clock)
    scheduler = Scheduler(opened.jobs, opened.schedules, clock=clock)
    clock.turn(48 * 3600)
    scheduler.tick()
    assert begun(opened) == []
    opened.close()


def test_beat_begins_what_is_due(nightly: Platform, clock: ManualClock) -> None:
    reconciler = nightly.reconciler()
    clock.turn(24 * 3600)
    reconciler.start()
    jobs = nightly.jobs
    [job] = eventually(lambda: jobs.list().jobs, why="the schedule has begun its job")
    reconciler.stop()
    assert (job.state, job.labels) == (JobState.QUEUED, {"schedule": "nightly"})
