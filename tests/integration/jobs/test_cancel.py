"""Cancel in every state, down to the processes of the work."""

import os
from pathlib import Path

import pytest

from app.errors import Conflict
from app.jobs.model.job import JobState, RunOutcome
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually


def processes_in(folder: Path) -> list[int]:
    """Pids of the processes that carry the folder's name in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"PROBE_FOLDER={folder}".encode() in environment:
                found.append(int(entry.name))
    return found


def test_a_queued_job_is_cancelled_at_once(running: RunningPlatform) -> None:
    job = running.jobs.submit(acts.request())

    cancelled = running.jobs.cancel(job.id)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.finished_at is not None


def test_a_cancelled_job_is_not_run_by_its_message(standing: RunningPlatform) -> None:
    later = acts.NOW
    job = standing.jobs.submit(acts.request(not_before=later))
    standing.jobs.cancel(job.id)

    standing.platform.dispatcher.dispatch([job])
    witness = standing.ended(standing.jobs.submit(acts.request(priority=9)).id)

    assert witness.state is JobState.SUCCEEDED
    stages = {run.stage for run in standing.jobs.runs(job.id)}
    assert "probe_first" not in stages
    assert standing.jobs.get(job.id).state is JobState.CANCELLED


def test_a_running_job_is_told_to_stop(standing: RunningPlatform) -> None:
    job = standing.jobs.submit(acts.request({"second": ["spin:60"]}))
    standing.at_stage(job.id, "probe_second")

    answer = standing.jobs.cancel(job.id)

    assert answer.cancel_requested or answer.state is JobState.CANCELLED
    ended = standing.ended(job.id, within_s=60)
    assert ended.state is JobState.CANCELLED
    run = next(run for run in standing.jobs.runs(job.id) if run.stage == "probe_second")
    assert run.outcome is RunOutcome.CANCELLED


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_cancel_ends_the_processes_of_the_work(running: RunningPlatform, pool: str) -> None:
    running.worker(pool=pool, concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["child"]}))
    folder = running.platform.settings.files.temp_dir.resolve() / job.id
    eventually((folder / "child-is-up").exists, why="the child runs")
    assert len(processes_in(folder)) >= 2

    running.jobs.cancel(job.id)

    assert running.ended(job.id, within_s=60).state is JobState.CANCELLED
    eventually(lambda: not processes_in(folder), within_s=60, why="no process is left")


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_killed_worker_takes_the_processes_of_its_work_along(
    running: RunningPlatform, pool: str
) -> None:
    worker = running.worker(pool=pool, concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["child"]}))
    folder = running.platform.settings.files.temp_dir.resolve() / job.id
    eventually((folder / "child-is-up").exists, why="the child runs")
    assert len(processes_in(folder)) >= 2

    worker.kill()

    eventually(lambda: not processes_in(folder), within_s=60, why="no process is left")


def test_a_cancel_outlives_the_worker_that_should_see_it(running: RunningPlatform) -> None:
    worker = running.worker(concurrency=1)
    job = running.jobs.submit(acts.request({"first": ["sleep:60"]}))
    running.at_stage(job.id, "probe_first")

    worker.kill()
    running.jobs.cancel(job.id)
    running.beat()

    assert running.ended(job.id).state is JobState.CANCELLED


@pytest.mark.parametrize("plan", [{}, {"first": ["permanent"]}], ids=["succeeded", "failed"])
def test_a_finished_job_cannot_be_cancelled(
    standing: RunningPlatform, plan: dict[str, list[str]]
) -> None:
    job = standing.ended(standing.jobs.submit(acts.request(plan)).id)

    with pytest.raises(Conflict):
        standing.jobs.cancel(job.id)


def test_a_cancelled_job_can_be_taken_up_again(standing: RunningPlatform) -> None:
    job = standing.jobs.submit(acts.request(not_before=acts.NOW))
    standing.jobs.cancel(job.id)

    def retried() -> bool:
        try:
            return standing.jobs.retry(job.id).state is not JobState.CANCELLED
        except Conflict:
            return False  # its finalizer runs at this moment

    eventually(retried)
    assert standing.ended(job.id).state is JobState.SUCCEEDED
