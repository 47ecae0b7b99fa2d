"""Cancel in every state, down to the processes of the work."""

import os
from pathlib import Path

import pytest

from app.errors import Conflict
from app.jobs.model.job import JobState, RunOutcome
from tests.integration.jobs import acts
from tests.integration.jobs.conftest import Site
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


def test_a_queued_job_is_cancelled_at_once(site: Site) -> None:
    job = site.jobs.submit(acts.request())

    cancelled = site.jobs.cancel(job.id)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.finished_at is not None


def test_a_cancelled_job_is_not_run_by_its_message(standing_site: Site) -> None:
    site = standing_site
    later = acts.NOW
    job = site.jobs.submit(acts.request(not_before=later))
    site.jobs.cancel(job.id)

    site.platform.dispatcher.dispatch([job])
    witness = site.ended(site.jobs.submit(acts.request(priority=9)).id)

    assert witness.state is JobState.SUCCEEDED
    stages = {run.stage for run in site.jobs.runs(job.id)}
    assert "probe_first" not in stages
    assert site.jobs.get(job.id).state is JobState.CANCELLED


def test_a_running_job_is_told_to_stop(standing_site: Site) -> None:
    site = standing_site
    job = site.jobs.submit(acts.request({"second": ["spin:60"]}))
    site.running(job.id, stage="probe_second")

    answer = site.jobs.cancel(job.id)

    assert answer.cancel_requested or answer.state is JobState.CANCELLED
    ended = site.ended(job.id, within_s=60)
    assert ended.state is JobState.CANCELLED
    run = next(run for run in site.jobs.runs(job.id) if run.stage == "probe_second")
    assert run.outcome is RunOutcome.CANCELLED


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_cancel_ends_the_processes_of_the_work(site: Site, pool: str) -> None:
    site.worker(pool=pool, concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["child"]}))
    folder = site.platform.settings.files.temp_dir.resolve() / job.id
    eventually((folder / "child-is-up").exists, why="the child runs")
    assert len(processes_in(folder)) >= 2

    site.jobs.cancel(job.id)

    assert site.ended(job.id, within_s=60).state is JobState.CANCELLED
    eventually(lambda: not processes_in(folder), within_s=60, why="no process is left")


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_killed_worker_takes_the_processes_of_its_work_along(site: Site, pool: str) -> None:
    worker = site.worker(pool=pool, concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["child"]}))
    folder = site.platform.settings.files.temp_dir.resolve() / job.id
    eventually((folder / "child-is-up").exists, why="the child runs")
    assert len(processes_in(folder)) >= 2

    worker.kill()

    eventually(lambda: not processes_in(folder), within_s=60, why="no process is left")


def test_a_cancel_outlives_the_worker_that_should_see_it(site: Site) -> None:
    worker = site.worker(concurrency=1)
    job = site.jobs.submit(acts.request({"first": ["sleep:60"]}))
    site.running(job.id, stage="probe_first")

    worker.kill()
    site.jobs.cancel(job.id)
    site.beat()

    assert site.ended(job.id).state is JobState.CANCELLED


@pytest.mark.parametrize("plan", [{}, {"first": ["permanent"]}], ids=["succeeded", "failed"])
def test_a_finished_job_cannot_be_cancelled(
    standing_site: Site, plan: dict[str, list[str]]
) -> None:
    site = standing_site
    job = site.ended(site.jobs.submit(acts.request(plan)).id)

    with pytest.raises(Conflict):
        site.jobs.cancel(job.id)


def test_a_cancelled_job_can_be_taken_up_again(standing_site: Site) -> None:
    site = standing_site
    job = site.jobs.submit(acts.request(not_before=acts.NOW))
    site.jobs.cancel(job.id)

    def retried() -> bool:
        try:
            return site.jobs.retry(job.id).state is not JobState.CANCELLED
        except Conflict:
            return False  # its finalizer runs at this moment

    eventually(retried)
    assert site.ended(job.id).state is JobState.SUCCEEDED
