"""Both pipelines as jobs and as plain Celery, with real workers."""

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import chain
from mutagen import mp3

from app.errors import UnsupportedFormat
from app.jobs.model.job import JobState, JsonObject
from app.storage.sources import SourceStatus
from tests import papers
from tests.integration import running_platform
from tests.integration.environments import ONLY_THE_SITE
from tests.integration.running_platform import RunningPlatform
from tests.sites import media, pages
from tests.sites.server import Site
from tests.waiting import eventually


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[RunningPlatform]:
    """For all tests of this module. One worker for the network, one for the processor, as the
    pools are."""
    folder = tmp_path_factory.mktemp("running")
    with running_platform.standing(folder, sqlite_template, settings=ONLY_THE_SITE) as found:
        found.worker(["download", "cleanup"], concurrency=4)
        found.worker(["conversion", "documents"], pool="prefork")
        yield found


def test_a_video_page_becomes_a_tagged_mp3(site: Site, running: RunningPlatform) -> None:
    job = running.ended(running.submit("media", url=f"{site.url}/video"))
    [artifact] = job.artifacts
    assert (job.state, job.progress, job.error) == (JobState.SUCCEEDED, 100, None)
    assert job.result["title"] == pages.VIDEO_TITLE
    assert job.result["artifact"] == artifact.name == "Evening-Train-Live-in-the-Valley.mp3"
    [stored] = running.platform.stores.artifacts.keys(f"jobs/{job.id}/")
    sound = mp3.MP3(io.BytesIO(b"".join(running.platform.stores.artifacts.stream(stored))))
    assert sound["TIT2"] == pages.VIDEO_TITLE
    assert running.remains == []


def test_the_stages_are_a_plain_celery_chain(site: Site, running: RunningPlatform) -> None:
    app = running.platform.celery
    stages = chain(
        app.signature("download_audio", kwargs={"url": f"{site.url}/media/clip.mp4"}),
        app.signature("convert_to_mp3"),
        app.signature("cleanup_temp_files"),
        app=app,
    )
    result: JsonObject = stages.apply_async().get(timeout=60)
    assert (result["title"], result["artifact"]) == (media.TITLE, "A-Tone-Rises.mp3")
    assert running.remains == []


def test_a_plain_call_that_fails_leaves_nothing_behind(
    site: Site, running: RunningPlatform
) -> None:
    call = running.platform.celery.signature("download_audio", kwargs={"url": f"{site.url}/text"})
    with pytest.raises(UnsupportedFormat, match="no audio or video"):
        call.apply_async().get(timeout=60)
    assert running.remains == []


def test_an_upload_becomes_chunks(running: RunningPlatform) -> None:
    upload_id = running.upload(papers.pdf_of(30), "book.pdf")
    job = running.ended(running.submit("document", upload_id=upload_id, chatbot_id="bot"))
    source = running.platform.stores.sources.get(job.id)
    chunks = running.platform.stores.chunks.of_source(source.id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert (source.status, source.filename, source.job_id) == ("ready", "book.pdf", job.id)
    assert source.content_sha256 == job.result["content_sha256"]
    assert job.result["chunks"] == len(chunks) > 0
    assert running.remains == []


def test_process_document_is_called_as_its_users_call_it(running: RunningPlatform) -> None:
    running.storage_dir.mkdir(exist_ok=True)
    letter = running.storage_dir / "letter.txt"
    letter.write_text("Dear reader")
    call = running.platform.celery.signature(
        "process_document", args=("source-1", str(letter), "bot-1")
    )
    result: JsonObject = call.apply_async().get(timeout=60)
    [chunk] = running.platform.stores.chunks.of_source("source-1")
    assert (result["chunks"], chunk.text, chunk.chatbot_id) == (1, "Dear reader", "bot-1")
    assert running.remains == []


BAD_PAGES = {
    "/text": "UnsupportedFormat",
    "/status/404": "NotFound",
    "/redirect?to=http://10.0.0.1/": "AddressRefused",
    "/media/mute.mp4": "UnsupportedFormat",
    "/captions/en.vtt": "UnsupportedFormat",
    "/endless/page": "LimitExceeded",
}


def test_bad_input_fails_its_job_and_nothing_else(site: Site, running: RunningPlatform) -> None:
    submitted = {
        running.submit("media", url=site.url + path): want for path, want in BAD_PAGES.items()
    }
    for bad in papers.BAD.values():
        upload_id = running.upload(bad.make(), bad.name)
        job_id = running.submit("document", upload_id=upload_id, chatbot_id="bot")
        submitted[job_id] = bad.want.__name__

    found = {job_id: running.ended(job_id).error for job_id in submitted}

    types = {job_id: error.type for job_id, error in found.items() if error is not None}
    assert types == submitted
    assert not any(error.retryable for error in found.values() if error is not None)
    sources = [running.platform.stores.sources.find(job_id) for job_id in submitted]
    assert {source.status for source in sources if source is not None} == {SourceStatus.FAILED}
    eventually(lambda: running.remains == [], why="every folder is removed")
    assert all(worker.is_running for worker in running.workers)


def test_a_cancelled_job_leaves_nothing_behind(site: Site, running: RunningPlatform) -> None:
    job_id = running.submit("media", url=f"{site.url}/slow/50000/clip.mp4")
    eventually(lambda: running.remains == [job_id], why="its folder is there")
    running.jobs.cancel(job_id)
    assert running.ended(job_id).state is JobState.CANCELLED
    eventually(lambda: running.remains == [], why="its folder is removed")


def test_the_source_of_a_cancelled_job_says_so(running: RunningPlatform) -> None:
    upload_id = running.upload(b"word " * 4_000_000, "long.txt")
    job_id = running.submit("document", upload_id=upload_id, chatbot_id="bot")
    eventually(lambda: running.platform.stores.sources.find(job_id), why="its source is there")
    running.jobs.cancel(job_id)
    assert running.ended(job_id).state is JobState.CANCELLED
    sources = running.platform.stores.sources
    eventually(lambda: sources.get(job_id).status is SourceStatus.FAILED, why="its source fails")
    assert sources.get(job_id).error == "the job was cancelled"


def test_progress_of_a_whole_job_never_goes_back(site: Site, running: RunningPlatform) -> None:
    job_id = running.submit("media", url=f"{site.url}/slow/400000/clip.mp4")
    assert running.ended(job_id).state is JobState.SUCCEEDED
    seen = [json.loads(data)["progress"] for data in running.events(job_id)]
    assert len(seen) > 4
    assert all(one <= two for one, two in itertools.pairwise(seen))


def test_a_killed_download_goes_on_in_another_worker(
    site: Site, tmp_path: Path, sqlite_template: Path
) -> None:
    path = "/slow/200000/clip.mp4"
    standing = running_platform.standing(
        tmp_path / "running", sqlite_template, settings=ONLY_THE_SITE
    )
    with standing as running:
        running.beat()
        first = running.worker(["download"], concurrency=1)
        job_id = running.submit("media", url=site.url + path)
        folder = running.temp_dir / job_id
        eventually(lambda: sum(part.stat().st_size for part in folder.glob("*.part")) > 100_000)
        first.kill()
        running.worker(["download", "conversion", "cleanup"])
        job = running.ended(job_id)
        runs = [(run.stage, run.outcome) for run in running.jobs.runs(job_id)]
        remains = running.remains
    assert (job.state, job.error, remains) == (JobState.SUCCEEDED, None, [])
    assert runs == [
        ("download_audio", "lost"),
        ("download_audio", "succeeded"),
        ("convert_to_mp3", "succeeded"),
        ("cleanup_temp_files", "succeeded"),
    ]
    assert max(seen.range_start or 0 for seen in site.requests(path)) >= 100_000
