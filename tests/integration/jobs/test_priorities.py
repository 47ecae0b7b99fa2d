"""Priorities order the work, also over the queues of one worker."""

import random

from app.jobs.model.job import JobId
from tests.integration.jobs import acts
from tests.integration.jobs.conftest import Site
from tests.waiting import eventually


def begun(site: Site, stage: str) -> list[JobId]:
    """Jobs in the order in which the stage of each began."""
    runs = [
        run
        for job in site.jobs.list(limit=1000).jobs
        for run in site.jobs.runs(job.id)
        if run.stage == stage
    ]
    return [run.job_id for run in sorted(runs, key=lambda run: run.started_at)]


def test_jobs_begin_in_the_order_of_their_priorities(site: Site) -> None:
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0] * 3
    random.Random(1).shuffle(order)
    made = site.jobs.submit_many([acts.request(priority=priority) for priority in order])

    site.worker(concurrency=1)

    [site.ended(job.id) for job in made]
    ranked = sorted(made, key=lambda job: (job.priority, job.id))
    assert begun(site, "probe_first") == [job.id for job in ranked]


def test_the_urgent_stage_of_one_queue_goes_before_the_idle_one_of_another(site: Site) -> None:
    idle = site.jobs.submit_many([acts.request(priority=9) for _ in range(5)])
    urgent = site.jobs.submit_many([acts.request(priority=0) for _ in range(5)])

    site.worker(concurrency=1)

    [site.ended(job.id) for job in (*idle, *urgent)]
    ends = {job.id: site.jobs.get(job.id).finished_at for job in (*idle, *urgent)}
    assert sorted(ends, key=lambda job_id: str(ends[job_id]))[:5] == [job.id for job in urgent]


def test_a_plain_task_is_between_urgent_and_idle(site: Site) -> None:
    celery = site.platform.celery
    given = {"name": "probe", "plan": {}, "trail": []}
    site.jobs.submit_many([acts.request(priority=9), acts.request(priority=0)])
    celery.send_task("probe_first")

    worker = site.worker(concurrency=1)

    eventually(lambda: worker.log.count("probe_first[") >= 6)
    received = [line for line in worker.log.splitlines() if "probe_first[" in line]
    kinds = ["job" if ".0]" in line else "plain" for line in received if "received" in line]
    assert (kinds, given["trail"]) == (["job", "plain", "job"], [])
