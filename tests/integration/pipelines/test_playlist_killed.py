"""A worker that dies while it submits the entries of a listing."""

import signal
from collections import Counter

from app.jobs.model.job import JobId, JobRequest, JobState
from app.jobs.service import Jobs
from app.jobs.store.children import ChildStore
from app.jobs.store.job_store import JobFilter
from tests.integration import serving
from tests.integration.processes import StartBeat, StartWorker
from tests.sites.server import Site
from tests.waiting import eventually

COUNT = 600


def test_no_entry_is_doubled_when_the_worker_is_killed(
    site: Site, environment: dict[str, str], start_worker: StartWorker, start_beat: StartBeat
) -> None:
    platform = serving.platform_from_environment()
    jobs = platform.jobs
    start_beat()
    worker = start_worker(["youtube"], concurrency=1)
    url = f"{site.url}/feed?count={COUNT}&kind=nowhere"
    # Its messages are served before those of its entries, so that these are submitted and no more.
    request = JobRequest(pipeline="playlist", params={"url": url}, priority=0)
    job_id = jobs.submit(request).id

    eventually(lambda: _count(jobs, job_id) > 0, why="some entries are submitted")
    worker.signal(signal.SIGSTOP)
    at_the_kill = _count(jobs, job_id)
    worker.kill()
    start_worker(["youtube", "cleanup"], concurrency=1)
    eventually(lambda: jobs.get(job_id).stage == "gather_playlist", why="all are submitted")
    jobs.cancel(job_id)
    eventually(lambda: jobs.get(job_id).state.is_final, why="the playlist is cancelled")

    outcomes = [run.outcome for run in jobs.runs(job_id)]
    entries = Counter(one.params["url"] for one in ChildStore(platform.database).of_parent(job_id))
    submitted = jobs.get(job_id).state
    platform.close()
    assert 0 < at_the_kill < COUNT
    assert (outcomes[:2], submitted) == (["lost", "succeeded"], JobState.CANCELLED)
    want = {f"{site.url}/nowhere/n-{number}": 1 for number in range(COUNT)}
    assert entries == want


def _count(jobs: Jobs, parent_id: JobId) -> int:
    return sum(jobs.counts_by_state(JobFilter(parent_id=parent_id)).values())
