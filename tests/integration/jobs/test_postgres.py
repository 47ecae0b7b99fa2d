"""The whole way on PostgreSQL, with real workers."""

import pytest

from app.jobs.model.job import JobState, RunOutcome
from app.jobs.store.job_store import JobFilter
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually

STAGES = ["probe_first", "probe_second", "probe_last"]


@pytest.fixture
def sqlite_url(postgres_url: str) -> str:
    """Here the platform's database is PostgreSQL."""
    return postgres_url


def test_a_hundred_jobs_run_each_stage_once(running: RunningPlatform) -> None:
    running.worker(concurrency=4)
    running.worker(pool="prefork", concurrency=2)
    running.beat()

    made = running.jobs.submit_many([acts.request() for _ in range(100)])

    done = JobFilter(states=frozenset({JobState.SUCCEEDED}))
    eventually(lambda: running.jobs.counts_by_state(done)[JobState.SUCCEEDED] == 100, within_s=120)
    counted = {job.id: [run.stage for run in running.jobs.runs(job.id)] for job in made}
    assert counted == {job.id: STAGES for job in made}


def test_a_killed_worker_is_followed_by_another(running: RunningPlatform) -> None:
    running.beat()
    first = running.worker(pool="prefork", concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["sleep:60", "ok"]}))
    running.at_stage(job.id, "probe_first")

    first.kill()
    running.worker()

    assert running.ended(job.id).state is JobState.SUCCEEDED
    outcomes = [run.outcome for run in running.jobs.runs(job.id)]
    assert outcomes[:2] == [RunOutcome.LOST, RunOutcome.SUCCEEDED]
