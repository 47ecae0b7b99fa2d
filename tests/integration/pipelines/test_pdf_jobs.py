"""PDF files and clean-ups as jobs and as plain Celery, with a real worker."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import UnsupportedFormat
from app.jobs.model.job import JobState
from app.worker import processors
from tests import papers, pdfs
from tests.integration import running_platform
from tests.integration.environments import ONLY_THE_SITE
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually

SLOTS = 2


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[RunningPlatform]:
    folder = tmp_path_factory.mktemp("running")
    with running_platform.standing(folder, sqlite_template, settings=ONLY_THE_SITE) as found:
        found.worker(["pdf", "cleanup"], pool="prefork", concurrency=SLOTS)
        yield found


def test_an_uploaded_pdf_is_read_with_progress_page_by_page(running: RunningPlatform) -> None:
    content = pdfs.drawn(
        pdfs.picture(pdfs.photo(), words="One"), pdfs.picture(pdfs.scan()), pdfs.text("Three")
    )
    job_id = running.submit("pdf", upload_id=running.upload(content, "bill.pdf"))
    job = running.ended(job_id)
    assert (job.state, job.progress, job.error) == (JobState.SUCCEEDED, 100, None)
    assert job.result["filename"] == "bill.pdf"
    assert [page["text"] for page in job.result["pages"]] == [
        "One",
        "\n\n".join(pdfs.SCANNED),
        "Three",
    ]
    assert sorted(artifact.name for artifact in job.artifacts) == [
        image["artifact"] for image in job.result["images"]
    ]
    seen = [json.loads(data)["progress"] for data in running.events(job_id)]
    assert all(one <= two for one, two in itertools.pairwise(seen))
    assert running.remains == []


def test_the_task_is_plain_celery_with_its_arguments_by_position(running: RunningPlatform) -> None:
    (running.storage_dir / "in").mkdir(parents=True, exist_ok=True)
    (running.storage_dir / "in" / "letter.pdf").write_bytes(papers.pdf_of(2))
    task = running.platform.celery.signature("process_pdf_document")
    result = task.delay("in/letter.pdf", False).get(timeout=60)  # noqa: FBT003  # as of old
    assert (result["page_count"], result["images"]) == (2, [])
    assert result["pages"][1]["text"].startswith("Page 2, line 0.")
    refused = running.storage_dir / "in" / "letter.docx"
    refused.write_bytes(papers.docx_of())
    with pytest.raises(UnsupportedFormat, match="no PDF"):
        task.delay(str(refused), True).get(timeout=60)  # noqa: FBT003  # as of old


def children_of(pid: int) -> Iterator[int]:
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            yield child
            yield from children_of(child)


def command_lines(pid: int) -> list[list[str]]:
    """The commands of all that a process has started."""
    paths = [Path(f"/proc/{child}/cmdline") for child in children_of(pid)]
    return [path.read_bytes().decode().split("\0") for path in paths if os.path.exists(path)]


def test_a_cancelled_job_ends_its_reader_whose_threads_are_those_of_a_slot(
    running: RunningPlatform,
) -> None:
    content = pdfs.drawn(*[pdfs.picture(pdfs.scan())] * 40)
    job_id = running.submit("pdf", upload_id=running.upload(content, "scans.pdf"))
    [worker] = running.workers

    def readers() -> list[list[str]]:
        lines = command_lines(worker.pid)
        return [line for line in lines if "app.documents.pdf.pdf_reader" in line]

    [options, *_] = [line[-2] for line in eventually(readers, why="its reader runs")]
    running.jobs.cancel(job_id)
    assert running.ended(job_id).state is JobState.CANCELLED
    assert readers() == []
    eventually(lambda: running.remains == [], why="its folder is removed")
    want = processors.threads_per_slot(processors=processors.available(), slots=SLOTS)
    assert json.loads(options)["threads"] == want


def test_the_clean_ups_are_jobs_and_plain_celery(running: RunningPlatform) -> None:
    cache = running.storage_dir.parent / "cache" / "pdf"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "old.json").write_bytes(b"1234")
    os.utime(cache / "old.json", (0, 0))
    names = ("cleanup_old_data", "cleanup_youtube_cache", "cleanup_pdf_cache")
    tasks = {name: running.platform.celery.signature(name) for name in names}
    found = {name: task.delay(dry_run=True).get(timeout=60) for name, task in tasks.items()}
    assert found["cleanup_old_data"]["jobs"] == 0
    assert found["cleanup_youtube_cache"]["entries"] == {"count": 0, "bytes": 0}
    assert found["cleanup_pdf_cache"]["entries"] == {"count": 1, "bytes": 4}
    job = running.ended(running.submit("cleanup-pdf-cache"))
    assert (job.state, job.result["entries"]) == (JobState.SUCCEEDED, {"count": 1, "bytes": 4})
    assert not (cache / "old.json").exists()
    assert running.ended(running.submit("cleanup-old-data", days=30)).result["jobs"] == 0
