"""Priorities order the work, also over the queues of one worker."""

import random

from app.jobs.model.job import JobId
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually


def begun(running: RunningPlatform, stage: str) -> list[JobId]:
    """Jobs in the order in which the stage of each began."""
    runs = [
        run
        for job in running.jobs.list(limit=1000).jobs
        for run in running.jobs.runs(job.id)
        if run.stage == stage
    ]
    return [run.job_id for run in sorted(runs, key=lambda run: run.started_at)]


def test_jobs_begin_in_the_order_of_their_priorities(running: RunningPlatform) -> None:
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0] * 3
    random.Random(1).shuffle(order)
    made = running.jobs.submit_many([acts.request(priority=priority) for priority in order])

    running.worker(concurrency=1)

    [running.ended(job.id) for job in made]
    ranked = sorted(made, key=lambda job: (job.priority, job.id))
    assert begun(running, "probe_first") == [job.id for job in ranked]


def test_the_urgent_stage_of_one_queue_goes_before_the_idle_one_of_another(
    running: RunningPlatform,
) -> None:
    idle = running.jobs.submit_many([acts.request(priority=9) for _ in range(5)])
    urgent = running.jobs.submit_many([acts.request(priority=0) for _ in range(5)])

    running.worker(concurrency=1)

    [running.ended(job.id) for job in (*idle, *urgent)]
    ends = {job.id: running.jobs.get(job.id).finished_at for job in (*idle, *urgent)}
    assert sorted(ends, key=lambda job_id: str(ends[job_id]))[:5] == [job.id for job in urgent]


def test_a_plain_task_is_between_urgent_and_idle(running: RunningPlatform) -> None:
    celery = running.platform.celery
    given = {"name": "probe", "plan": {}, "trail": []}
    running.jobs.submit_many([acts.request(priority=9), acts.request(priority=0)])
    celery.send_task("probe_first")

    worker = running.worker(concurrency=1)

    eventually(lambda: worker.log.count("probe_first[") >= 6)
    received = [line for line in worker.log.splitlines() if "probe_first[" in line]
    kinds = ["job" if ".0]" in line else "plain" for line in received if "received" in line]
    assert (kinds, given["trail"]) == (["job", "plain", "job"], [])
