"""Crawls as jobs and as plain Celery, with a real worker that may die."""

from pathlib import Path

from app.jobs.model.job import JobId, JobRequest, JobState
from app.storage.sources import SourceStatus
from tests.integration import serving
from tests.integration.processes import StartBeat, StartWorker
from tests.sites import web
from tests.waiting import eventually

QUICK = {"CELERIAC_WEBSITE_DELAY_S": "0", "CELERIAC_WEBSITE_DEPTH": "3"}
SLOW = {"CELERIAC_WEBSITE_DELAY_S": "0.05", "CELERIAC_WEBSITE_DEPTH": "3"}


def remains(environment: dict[str, str]) -> list[str]:
    """What is left in TEMP_DIR."""
    folder = Path(environment["TEMP_DIR"])
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_site_is_known_after_its_worker_was_killed_in_the_middle(
    environment: dict[str, str], start_worker: StartWorker, start_beat: StartBeat
) -> None:
    platform = serving.platform_from_environment()
    jobs = platform.jobs
    with web.serve(fallback=web.many(60)) as site:
        params = {"chatbot_id": "bot", "url": site.url, "source_id": "s"}
        job_id = jobs.submit(JobRequest(pipeline="website", params=params)).id
        start_beat()
        first = start_worker(["websites"], env=SLOW)
        eventually(lambda: len(site.paths()) > 25, within_s=60, why="it is half through")
        first.kill()
        start_worker(["websites"], env=QUICK)
        eventually(lambda: jobs.get(job_id).state.is_final, within_s=90, why="it ends")
    job = jobs.get(job_id)
    chunks = platform.stores.chunks.of_source("s")
    stories = [path for path in site.paths() if path.startswith("/story/")]
    trapped = 3
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert (job.result["pages"], job.result["requested"]) == (60 + trapped, 60 + trapped)
    assert len(chunks) == len({chunk.metadata["url"] for chunk in chunks}) == 60 + trapped
    assert (len(set(stories)), len(stories) <= 60) == (59, True)
    assert platform.stores.sources.get("s").status is SourceStatus.READY
    assert remains(environment) == []
    platform.close()


def test_a_crawl_as_plain_celery_and_one_that_fails(
    environment: dict[str, str], start_worker: StartWorker, start_beat: StartBeat
) -> None:
    worker = start_worker(["websites"], env=QUICK)
    with serving.serve(serving.platform_from_environment()) as server, web.serve() as site:
        site.routes["/"] = web.page("Home", "All begins here, and ends.")
        task = server.platform.celery.signature("scrape_website", args=["s", site.url, "bot"])
        result = task.apply_async().get(timeout=60)
        assert (result["pages"], result["source_id"]) == (1, "s")

        params = {"chatbot_id": "bot", "url": f"{site.url}/gone", "source_id": "gone"}
        answer = server.http.post("/api/v1/jobs/website", json={"params": params})
        job_id = JobId(answer.json()["id"])
        job = server.http.get(f"/api/v1/jobs/{job_id}", params={"wait": 30}).json()
        assert (job["state"], job["error"]["type"]) == ("failed", "NotFound")
        assert server.platform.stores.sources.get("gone").status is SourceStatus.FAILED

        found = server.http.get("/api/v1/chunks", params={"query": "begins"}).json()["items"]
        assert [chunk["metadata"]["url"] for chunk in found] == [f"{site.url}/"]
        eventually(lambda: remains(environment) == [], within_s=30, why="nothing is left")
    assert "scrape_website" in worker.log
    assert "HTTP Request" not in worker.log  # what httpx2 writes of each, with the whole URL
