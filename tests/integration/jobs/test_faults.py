"""Workers that die, brokers that forget, publishes that fail: every job still ends, once."""

import signal

import pytest

from app.jobs.model.job import JobState, RunOutcome
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually


def test_a_killed_worker_is_followed_by_another(running: RunningPlatform) -> None:
    running.beat()
    first = running.worker(pool="threads", concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["sleep:60", "ok"]}))
    running.at_stage(job.id, "probe_first")

    first.kill()
    second = running.worker()

    ended = running.ended(job.id)
    assert ended.state is JobState.SUCCEEDED
    runs = running.jobs.runs(job.id)
    assert [(run.outcome, run.attempt) for run in runs[:2]] == [
        (RunOutcome.LOST, 1),
        (RunOutcome.SUCCEEDED, 2),
    ]
    assert runs[1].pid == second.pid


def test_a_killed_child_of_a_pool_is_followed_by_another(running: RunningPlatform) -> None:
    running.beat()
    running.worker(pool="prefork", concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["crash", "ok"]}))

    ended = running.ended(job.id)

    assert ended.state is JobState.SUCCEEDED
    runs = [run.outcome for run in running.jobs.runs(job.id) if run.stage == "probe_first"]
    assert runs == [RunOutcome.LOST, RunOutcome.SUCCEEDED]


def test_poison_ends_among_the_dead_letters(running: RunningPlatform) -> None:
    running.beat()
    running.worker(pool="prefork", concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["crash"]}))

    ended = running.ended(job.id, within_s=120)

    assert ended.error is not None
    assert (ended.state, ended.error.type) == (JobState.FAILED, "PoisonedJob")
    assert ended.dead_lettered_at is not None
    runs = [run.outcome for run in running.jobs.runs(job.id) if run.stage == "probe_first"]
    assert runs == [RunOutcome.LOST] * running.platform.settings.jobs.max_deliveries


def test_a_stalled_worker_cannot_end_what_another_has_taken(running: RunningPlatform) -> None:
    running.beat()
    stalled = running.worker(concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["spin:4", "ok"]}))
    running.at_stage(job.id, "probe_first")

    stalled.signal(signal.SIGSTOP)
    running.worker()
    ended = running.ended(job.id)
    stalled.signal(signal.SIGCONT)

    eventually(lambda: f"[{job.id}.0]" in stalled.log.split("received")[-1], why="it has gone on")
    assert running.jobs.get(job.id) == ended
    assert ended.state is JobState.SUCCEEDED
    assert [run.outcome for run in running.jobs.runs(job.id)].count(RunOutcome.LOST) == 1


def test_jobs_survive_the_loss_of_all_of_redis(running: RunningPlatform) -> None:
    made = running.jobs.submit_many([acts.request() for _ in range(20)])
    later = running.jobs.submit(acts.request({"first": ["retryable", "ok"]}))
    running.platform.redis.flushall()
    running.beat()
    running.worker(concurrency=4)

    ended = [running.ended(job.id) for job in (*made, later)]

    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert {len(running.jobs.runs(job.id)) for job in made} == {3}


def test_redis_may_forget_everything_while_work_runs(running: RunningPlatform) -> None:
    running.beat()
    running.worker(concurrency=2)
    made = running.jobs.submit_many([acts.request({"first": ["spin:2"]}) for _ in range(4)])
    running.at_stage(made[0].id, "probe_first")

    running.platform.redis.flushall()

    ended = [running.ended(job.id) for job in made]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert {len(running.jobs.runs(job.id)) for job in made} == {3}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_stopping_worker_gives_its_jobs_back(running: RunningPlatform, pool: str) -> None:
    running.beat()
    leaving = running.worker(pool=pool, concurrency=1, env={"CELERIAC_SOFT_SHUTDOWN_S": "0"})
    job = running.jobs.submit(acts.request({"first": ["spin_once:60"]}))
    running.at_stage(job.id, "probe_first")

    leaving.signal(signal.SIGQUIT)
    eventually(lambda: running.jobs.get(job.id).state is JobState.QUEUED)
    running.worker()

    assert running.ended(job.id).state is JobState.SUCCEEDED
    first, second = running.jobs.runs(job.id)[:2]
    assert first.error is not None
    assert (first.error.type, first.attempt, second.attempt) == ("WorkerStopped", 1, 1)
    eventually(lambda: not leaving.is_running, why="the worker is gone")
