"""Jobs of one queue start fairly between owners, with real workers."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.model.job import Job, JobState
from app.settings import OwnerLimits
from app.storage import ownership
from tests.integration import running_platform
from tests.integration.jobs import acts
from tests.integration.jobs.conftest import PROBE, PROBES
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually


@pytest.fixture
def running(environment: dict[str, str], tmp_path: Path) -> Iterator[RunningPlatform]:
    settings = {**environment, "CELERIAC_FAIR_SHARES": "true"}
    with running_platform.opened(settings, tmp_path, registry=PROBES, app=PROBE) as found:
        yield found


def submit(running: RunningPlatform, owner: str, count: int) -> list[Job]:
    with ownership.acting_for(ownership.job_scope(owner)):
        return list(running.jobs.submit_many([acts.request() for _ in range(count)]))


def in_order_of_start(running: RunningPlatform, jobs: list[Job]) -> list[str]:
    """Owners in the order in which their jobs began."""
    found = running.jobs.find_many([job.id for job in jobs])
    return [job.owner for job in sorted(found, key=lambda job: str(job.started_at))]


def succeeded(running: RunningPlatform) -> int:
    return running.jobs.counts_by_state()[JobState.SUCCEEDED]


def has_more(running: RunningPlatform, before: int) -> bool:
    return succeeded(running) > before


def test_a_flood_of_one_owner_delays_another_at_most_twofold(running: RunningPlatform) -> None:
    flood, few = submit(running, "flood", 300), submit(running, "few", 30)
    beat = running.beat()
    running.worker(pool="prefork")

    [running.ended(job.id) for job in (*few, *flood)]

    order = in_order_of_start(running, [*flood, *few])
    last = max(place for place, owner in enumerate(order) if owner == "few")
    # Alone they would be the first 30. Two that start at once may change places.
    assert last <= 2 * 30 + 2
    assert "lost messages" not in beat.log


def test_what_waits_for_its_turn_survives_killed_workers(running: RunningPlatform) -> None:
    jobs = submit(running, "flood", 60)
    running.beat()
    for _ in range(3):
        worker = running.worker()
        before = succeeded(running)
        eventually(functools.partial(has_more, running, before))
        worker.kill()
    running.worker()

    assert {running.ended(job.id).state for job in jobs} == {JobState.SUCCEEDED}


def most_at_once(running: RunningPlatform, jobs: list[Job]) -> int:
    """How many of these jobs ran at the same time, at most."""
    runs = [run for job in jobs for run in running.jobs.runs(job.id)]
    starts = [(run.started_at, 1) for run in runs]
    ends = [(run.ended_at, -1) for run in runs if run.ended_at is not None]
    now = most = 0
    for _, change in sorted([*starts, *ends]):
        now += change
        most = max(most, now)
    return most


def test_running_jobs_of_an_owner_are_limited(running: RunningPlatform) -> None:
    limits = running.platform.quotas.limits
    limits.set("flood", OwnerLimits(running_jobs=2))
    running.beat()
    plan = {"first": ["sleep:0.1"]}
    with ownership.acting_for(ownership.job_scope("flood")):
        flood = list(running.jobs.submit_many([acts.request(plan) for _ in range(20)]))
    few = submit(running, "few", 10)

    running.worker(concurrency=6)

    assert {running.ended(job.id).state for job in (*flood, *few)} == {JobState.SUCCEEDED}
    assert most_at_once(running, flood) == 2


def test_the_slot_of_a_killed_worker_is_free_again(running: RunningPlatform) -> None:
    running.platform.quotas.limits.set("flood", OwnerLimits(running_jobs=1))
    running.beat()
    with ownership.acting_for(ownership.job_scope("flood")):
        stuck = running.jobs.submit(acts.request({"first": ["sleep:600", "ok"]}))
        running.jobs.submit_many([acts.request() for _ in range(3)])
    worker = running.worker()
    running.at_stage(stuck.id, "probe_first")
    worker.kill()
    running.jobs.cancel(stuck.id)

    running.worker()

    eventually(lambda: succeeded(running) == 3)


def test_cancelled_jobs_do_not_stop_the_queue(running: RunningPlatform) -> None:
    jobs = submit(running, "flood", 40)
    for job in jobs[:-1]:
        running.jobs.cancel(job.id)

    running.worker()

    assert running.ended(jobs[-1].id).state is JobState.SUCCEEDED


def test_the_reconciler_finds_what_waits_for_its_turn_in_the_broker(
    running: RunningPlatform,
) -> None:
    submit(running, "flood", 50)
    running.beat()
    redis = running.platform.redis
    eventually(lambda: redis.hget("celeriac:fair:waiting", "default") == b"46")

    redis.flushall()  # a broker that lost everything

    running.worker()
    eventually(lambda: succeeded(running) == 50)
