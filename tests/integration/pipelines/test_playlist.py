"""Listings of videos: a job for each entry, counted, skipped, cancelled and found again."""

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import Cancelled
from app.jobs.model.job import JobId, JobRequest, JobState
from app.pipelines.playlist import fan_out
from app.pipelines.playlist.schema import PlaylistParams
from app.pipelines.youtube import metadata
from app.pipelines.youtube.schema import VideoOptions
from app.testing import RecordedWork
from tests.integration import running_platform, serving
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.integration.serving import Server
from tests.sites import server as sites
from tests.sites.server import Site
from tests.waiting import eventually

COUNT, BROKEN = 100, 7

SLOTS, PLACES = 4, 3
"""Of the worker, and at the site."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.serve() as found:
        yield found


@pytest.fixture(scope="module")
def running(
    site: Site, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[RunningPlatform]:
    """With beat and one worker of the pool for videos."""
    settings = {
        "CELERIAC_SPEECH_ENGINE": "off",
        "CELERIAC_SITE_CONCURRENCY": str(PLACES),
        "CELERIAC_VIDEO_SEARCH": f"{site.url}/feed?count=9&name=found&q={{query}}&n={{limit}}",
    }
    folder = tmp_path_factory.mktemp("running")
    with running_platform.standing(folder, sqlite_template, settings=settings) as found:
        found.beat()
        found.worker(["youtube", "cleanup"], concurrency=SLOTS)
        yield found


@pytest.fixture(scope="module")
def api(running: RunningPlatform) -> Iterator[Server]:
    with serving.serve(running.platform) as found:
        yield found


def _counts(api: Server, job_id: JobId) -> dict[str, int]:
    """How many children of the job are in each state."""
    found: dict[str, int] = api.http.get(f"/api/v1/jobs/{job_id}").json()["children"]
    return found or {}


def test_a_playlist_becomes_a_job_for_each_entry(
    site: Site, running: RunningPlatform, api: Server
) -> None:
    job_id = running.submit("playlist", url=f"{site.url}/feed?count={COUNT}&broken={BROKEN}")
    job = running.ended(job_id)

    assert (job.state, job.progress, job.error) == (JobState.SUCCEEDED, 100, None)
    told = job.result
    assert (told["title"], told["entries"]) == ("Feed of talks", COUNT)
    assert (told["succeeded"], told["failed"], told["cancelled"]) == (COUNT - BROKEN, BROKEN, 0)
    assert {one["type"] for one in told["failures"]} == {
        "NotFound",
        "UnsupportedFormat",
        "PermanentError",
    }
    assert _counts(api, job_id) == {
        "total": COUNT,
        "queued": 0,
        "running": 0,
        "succeeded": COUNT - BROKEN,
        "failed": BROKEN,
        "cancelled": 0,
    }
    whole = running.jobs.get(JobId(told["submitted"][-1]))
    assert (whole.parent_id, whole.params["url"]) == (job_id, f"{site.url}/talk/n-{COUNT - 1}")
    assert whole.result["transcript"]["text"] == "A tone.\nIt rises."
    percents = [json.loads(data)["progress"] for data in running.events(job_id)]
    assert len(percents) > 4
    assert _peak_mib(running.workers[0].pid) < 512
    assert all(one <= two for one, two in itertools.pairwise(percents))


def _peak_mib(pid: int) -> int:
    """The most memory that the process has had."""
    [line] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    print(f"the worker's peak is {int(line) // 1024} MiB")  # noqa: T201
    return int(line) // 1024


def test_what_is_archived_is_skipped(site: Site, running: RunningPlatform) -> None:
    url = f"{site.url}/feed?count=6&name=known"
    first = running.ended(running.submit("playlist", url=url, limit=4))
    again = running.ended(running.submit("playlist", url=url))
    other = running.ended(running.submit("playlist", url=url, languages=["de"]))
    anyway = running.ended(running.submit("playlist", url=url, skip_archived=False))
    counts = [len(job.result["submitted"]) for job in (first, again, other, anyway)]
    assert counts == [4, 2, 6, 6]
    assert [one["job_id"] for one in again.result["skipped"]] == first.result["submitted"]


def test_a_channel_is_searched_by_words(running: RunningPlatform, api: Server) -> None:
    answer = api.http.post("/scrape-youtube", json={"query": "a & b", "limit": 3})
    assert (answer.status_code, list(answer.json())) == (200, ["task_id"])
    job = running.ended(answer.json()["task_id"])
    assert (job.result["title"], job.result["succeeded"]) == ("Feed of a & b", 3)
    told = api.http.get(f"/task/{job.id}").json()
    assert (told["status"], told["result"]["entries"]) == ("SUCCESS", 3)


def test_a_cancel_ends_every_child(site: Site, running: RunningPlatform, api: Server) -> None:
    job_id = running.submit("playlist", url=f"{site.url}/feed?count={COUNT}&kind=late-talk")
    eventually(lambda: _counts(api, job_id).get("running") == SLOTS)
    waiting = "/silence/captions.vtt"
    eventually(lambda: len(site.requests(waiting)) == PLACES, why="all places are held")
    running.jobs.cancel(job_id)
    asked_at = time.monotonic()
    eventually(lambda: _counts(api, job_id)["cancelled"] == COUNT, within_s=20)
    print(f"children were cancelled within {time.monotonic() - asked_at:.2f} s")  # noqa: T201
    assert running.jobs.get(job_id).state is JobState.CANCELLED
    eventually(lambda: running.remains == [], why="every folder is removed")
    eventually(lambda: not running.platform.redis.keys("celeriac:places:*"), why="places are free")


def test_a_playlist_of_nothing_but_broken_entries_fails(
    site: Site, running: RunningPlatform
) -> None:
    job = running.ended(running.submit("playlist", url=f"{site.url}/feed?count=2&broken=2"))
    assert job.error is not None
    assert (job.state, job.error.type) == (JobState.FAILED, "PermanentError")
    assert "every entry failed, the first one by NotFound" in job.error.message


@pytest.mark.parametrize("path", ["/loop", "/status/404", "/text", "/endless/page"])
def test_a_listing_that_cannot_be_read_fails_for_good(
    site: Site, running: RunningPlatform, path: str
) -> None:
    job = running.ended(running.submit("channel", query=site.url + path))
    assert job.error is not None
    assert (job.state, job.error.retryable) == (JobState.FAILED, False)


def test_the_tasks_are_plain_celery_too(site: Site, running: RunningPlatform) -> None:
    app = running.platform.celery
    url = f"{site.url}/feed?count=3&name=plain"
    call = app.signature("process_youtube_playlist", args=(url, False, True))
    listed: dict[str, Any] = call.apply_async().get(timeout=60)
    ended = [running.ended(JobId(job_id)) for job_id in listed["submitted"]]
    assert [job.result["title"] for job in ended] == ["One video"] * 3
    assert {job.parent_id for job in ended} == {None}

    call = app.signature("process_youtube_video", args=(f"{site.url}/talk/plain", False, True))
    video: dict[str, Any] = call.apply_async().get(timeout=60)
    assert video["transcript"]["text"] == "A tone.\nIt rises."

    found = app.signature("scrape_youtube", args=("words", 2)).apply_async().get(timeout=60)
    assert found["entries"] == 2


def test_fanning_out_again_submits_nothing_new(site: Site, environment: dict[str, str]) -> None:
    platform = serving.platform_from_environment()
    params = PlaylistParams.model_validate({"url": f"{site.url}/feed?count=103&name=again"})
    url = str(params.url)
    dying, first, second = (RecordedWork(platform=platform, key="again") for _ in range(3))
    dying.cancel_when = lambda report: report.message.startswith("100 of")
    with pytest.raises(Cancelled):  # as a worker that dies half-way
        fan_out.fan_out(url, params, dying, limit=None)
    begun, *_ = acts.listed(platform)
    options = VideoOptions()
    key = metadata.archive_key_of_url(begun.params["url"], options)
    platform.stores.video_archive.add([key], video_id="begun", job_id=None)  # it was quick

    found = fan_out.fan_out(url, params, first, limit=None)
    again = fan_out.fan_out(url, params, second, limit=None)
    platform.close()
    assert len(set(found.submitted)) == 103
    assert begun.id in found.submitted
    assert (again.submitted, again.skipped) == (found.submitted, ())


def test_the_command_line_counts_children(
    site: Site, running: RunningPlatform, api: Server
) -> None:
    url = f"{site.url}/feed?count=3&broken=1&name=shown"
    command = [sys.executable, "-m", "app", "--api-url", api.url, "jobs"]
    submitted = [*command, "submit", "playlist", "--url", url, "--wait"]
    told = subprocess.run(submitted, capture_output=True, text=True, check=True, timeout=120)
    assert "children: 3: 2 succeeded, 1 failed" in told.stdout


def test_a_playlist_runs_inside_the_request_that_submits_it(
    site: Site, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    platform = serving.platform_from_environment()
    params = {"url": f"{site.url}/feed?count=2&name=eager"}
    job = platform.jobs.submit(JobRequest(pipeline="playlist", params=params))
    platform.close()
    assert (job.state, job.result["succeeded"]) == (JobState.SUCCEEDED, 2)
