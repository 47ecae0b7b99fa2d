"""Workers that die, brokers that forget, publishes that fail: every job still ends, once."""

import signal

import pytest

from app.jobs.model.job import JobState, RunOutcome
from tests.integration.jobs import acts
from tests.integration.jobs.conftest import Site
from tests.waiting import eventually


def test_a_killed_worker_is_followed_by_another(site: Site) -> None:
    site.beat()
    first = site.worker(pool="threads", concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["sleep:60", "ok"]}))
    site.running(job.id, stage="probe_first")

    first.kill()
    second = site.worker()

    ended = site.ended(job.id)
    assert ended.state is JobState.SUCCEEDED
    runs = site.jobs.runs(job.id)
    assert [(run.outcome, run.attempt) for run in runs[:2]] == [
        (RunOutcome.LOST, 1),
        (RunOutcome.SUCCEEDED, 2),
    ]
    assert runs[1].pid == second.pid


def test_a_killed_child_of_a_pool_is_followed_by_another(site: Site) -> None:
    site.beat()
    site.worker(pool="prefork", concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["crash", "ok"]}))

    ended = site.ended(job.id)

    assert ended.state is JobState.SUCCEEDED
    runs = [run.outcome for run in site.jobs.runs(job.id) if run.stage == "probe_first"]
    assert runs == [RunOutcome.LOST, RunOutcome.SUCCEEDED]


def test_poison_ends_among_the_dead_letters(site: Site) -> None:
    site.beat()
    site.worker(pool="prefork", concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["crash"]}))

    ended = site.ended(job.id, within_s=120)

    assert ended.error is not None
    assert (ended.state, ended.error.type) == (JobState.FAILED, "PoisonedJob")
    assert ended.dead_lettered_at is not None
    runs = [run.outcome for run in site.jobs.runs(job.id) if run.stage == "probe_first"]
    assert runs == [RunOutcome.LOST] * site.platform.settings.jobs.max_deliveries


def test_a_stalled_worker_cannot_end_what_another_has_taken(site: Site) -> None:
    site.beat()
    stalled = site.worker(concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["spin:4", "ok"]}))
    site.running(job.id, stage="probe_first")

    stalled.signal(signal.SIGSTOP)
    site.worker()
    ended = site.ended(job.id)
    stalled.signal(signal.SIGCONT)

    eventually(lambda: f"[{job.id}.0]" in stalled.log.split("received")[-1], why="it has gone on")
    assert site.jobs.get(job.id) == ended
    assert ended.state is JobState.SUCCEEDED
    assert [run.outcome for run in site.jobs.runs(job.id)].count(RunOutcome.LOST) == 1


def test_jobs_survive_the_loss_of_all_of_redis(site: Site) -> None:
    made = site.jobs.submit_many([acts.request() for _ in range(20)])
    later = site.jobs.submit(acts.request({"first": ["retryable", "ok"]}))
    site.platform.redis.flushall()
    site.beat()
    site.worker(concurrency=4)

    ended = [site.ended(job.id) for job in (*made, later)]

    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert {len(site.jobs.runs(job.id)) for job in made} == {3}


def test_redis_may_forget_everything_while_work_runs(site: Site) -> None:
    site.beat()
    site.worker(concurrency=2)
    made = site.jobs.submit_many([acts.request({"first": ["spin:2"]}) for _ in range(4)])
    site.running(made[0].id, stage="probe_first")

    site.platform.redis.flushall()

    ended = [site.ended(job.id) for job in made]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert {len(site.jobs.runs(job.id)) for job in made} == {3}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_stopping_worker_gives_its_jobs_back(site: Site, pool: str) -> None:
    site.beat()
    leaving = site.worker(pool=pool, concurrency=1, env={"CELERIAC_SOFT_SHUTDOWN_S": "0"})
    job = site.jobs.submit(acts.request({"first": ["spin_once:60"]}))
    site.running(job.id, stage="probe_first")

    leaving.signal(signal.SIGQUIT)
    eventually(lambda: site.jobs.get(job.id).state is JobState.QUEUED)
    site.worker()

    assert site.ended(job.id).state is JobState.SUCCEEDED
    first, second = site.jobs.runs(job.id)[:2]
    assert first.error is not None
    assert (first.error.type, first.attempt, second.attempt) == ("WorkerStopped", 1, 1)
    eventually(lambda: not leaving.is_running, why="the worker is gone")
