"""Large inputs as jobs of `celeriac up`: how long they take, the most memory that their workers and
what these start have, whether progress ever goes back, and how soon a cancel has ended the work.

Each is submitted twice: once to its end, once to be cancelled in the midst. After a cancel two
times count: until the job says `cancelled`, and until no worker does anything any more. A run has a
peer in its own row: the memory of an idle worker, which is the first row.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import jobs, tree
from benchmarks.rig import town as towns
from benchmarks.rig.jobs import Follower, Json
from benchmarks.rig.town import Town
from tests import papers, pdfs
from tests import up as platforms
from tests.up import Up
from tests.waiting import eventually

PAGES, SCANS, ROWS, SITE_PAGES, ENTRIES, BROKEN = 500, 60, 10_000, 2_000, 100, 7
FILM_BYTES = 200_000_000

ONLY = os.environ.get("ONLY", "").split()
"""Kinds; all of them when empty."""

REST_S = 1.0
"""Workers that did nothing for so long are at rest."""

MOST_S = 60.0
"""A cancel that has not ended the work by then has not worked."""

SETTINGS = {
    "CELERIAC_WEBSITE_DELAY_S": "0",
    "CELERIAC_WEBSITE_PAGES": str(SITE_PAGES + 500),
    "CELERIAC_PDF_CACHE": "false",
    "CELERIAC_SKIP_ARCHIVED": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A large input. `result` holds, of the job's own, what is worth a column."""

    name: str
    kind: str
    params: Json
    cancel_at: float
    """Percent of progress."""
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Seconds from the cancel."""

    at_percent: float
    job_s: float
    work_s: float


def main() -> None:
    with _running() as (up, town):
        idle = _idle(up)
        print("| job | s | worker, MiB | its children, MiB | progress | cancelled at | after s |")
        print("|---|---|---|---|---|---|---|", flush=True)
        print(f"| none: an idle worker | | {idle} | | | | |", flush=True)
        for case in _cases(up, town):
            if not ONLY or case.kind in ONLY:
                print(_row(up, case), flush=True)


@contextmanager
def _running() -> Iterator[tuple[Up, Town]]:
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as name:
        folder = Path(name)
        (folder / "media").mkdir()
        towns.long_film(folder / "media" / "film.mp4", size_bytes=FILM_BYTES)
        with (
            towns.built(pages=SITE_PAGES, folder=folder / "media") as town,
            platforms.running(folder, settings=SETTINGS, arguments=["--cooldown", "20"]) as up,
        ):
            yield up, town


def _cases(up: Up, town: Town) -> Iterator[Case]:
    film = f"{town.site_url}/media/film.mp4"
    page = f"{town.site_url}/video-of?source=/media/film.mp4&captions=/captions/en.vtt"
    feed = f"{town.site_url}/feed?count={ENTRIES}&broken={BROKEN}"
    text = jobs.upload(up, papers.pdf_of(PAGES), "text.pdf")
    scans = jobs.upload(up, _scans(), "scans.pdf")
    rows = jobs.upload(up, papers.xlsx_of(ROWS), "rows.xlsx")
    bot: Json = {"chatbot_id": "bot"}
    yield _case(f"PDF, {PAGES} pages", "pdf", {"upload_id": text}, 30, "page_count")
    yield _case(f"PDF, {PAGES} pages", "document", {"upload_id": text, **bot}, 30, "pages chunks")
    yield _case(f"PDF, {SCANS} scans", "pdf", {"upload_id": scans}, 30, "ocr_pages")
    yield _case("video, 200 MB", "media", {"url": film}, 65, "duration_seconds")
    video: Json = {"url": page, "extract_frames": True}
    yield _case("video, 200 MB", "youtube", video, 65, "")
    yield _case(f"{ENTRIES} entries", "playlist", {"url": feed}, 40, "succeeded failed")
    sheet: Json = {"upload_id": rows, **bot}
    yield _case(f"XLSX, {ROWS} rows", "document", sheet, 20, "rows chunks")
    site: Json = {"url": town.web_url, "max_pages": SITE_PAGES + 500, **bot}
    yield _case(f"site, {SITE_PAGES} pages", "website", site, 30, "requested pages chunks")


def _case(name: str, kind: str, params: Json, cancel_at: float, result: str) -> Case:
    return Case(name=name, kind=kind, params=params, cancel_at=cancel_at, result=result)


def _scans() -> bytes:
    pages = (pdfs.scan((f"Scanned sheet {number}", *pdfs.SCANNED)) for number in range(SCANS))
    return pdfs.drawn(*(pdfs.picture(page) for page in pages))


def _idle(up: Up) -> str:
    """The size of a worker that has done one small job."""
    with tree.watched(up.process.pid) as watch:
        params: Json = {"user_id": "ada", "title": "Ready", "message": "", "channels": []}
        jobs.ended(up, jobs.submit(up, "notification", params))
        eventually(lambda: watch.worker_bytes, within_s=30, why="the worker was seen")
    return _mebibytes(watch.worker_bytes)


def _row(up: Up, case: Case) -> str:
    with tree.watched(up.process.pid) as watch:
        began = time.perf_counter()
        job_id = jobs.submit(up, case.kind, case.params)
        follower = Follower(up, job_id)
        job = jobs.ended(up, job_id)
        taken_s = time.perf_counter() - began
        follower.join()
    told = [f"`{case.kind}`: {case.name}"]
    told += [f"{job['result'][name]} {name}" for name in case.result.split()]
    forward = "forward" if follower.is_forward else "WENT BACK"
    progress = f"{forward}, {len(follower.percents)} events"
    sizes = f"{_mebibytes(watch.worker_bytes)} | {_mebibytes(watch.children_bytes)}"
    ended = _cancelled(up, case)
    return (
        f"| {', '.join(told)} | {taken_s:.1f} | {sizes} | {progress} "
        f"| {ended.at_percent:.0f} % | cancelled {ended.job_s:.2f}, at rest {ended.work_s:.2f} |"
    )


def _cancelled(up: Up, case: Case) -> Cancelled:
    """Submit it again, and cancel it once it is far enough; sooner when it was over by then."""
    for share in (1.0, 0.5, 0.25, 0.1):
        found = _try_to_cancel(up, case, at=share * case.cancel_at)
        if found is not None:
            return found
    raise RuntimeError(f"{case.name}, {case.kind}: over before it could be cancelled")


def _try_to_cancel(up: Up, case: Case, *, at: float) -> Cancelled | None:
    reached, seen = threading.Event(), [0.0]

    def look(percent: float) -> None:
        seen[0] = percent
        if percent >= at:
            reached.set()

    job_id = jobs.submit(up, case.kind, case.params)
    follower = Follower(up, job_id, on_percent=look, on_end=reached.set)
    reached.wait(timeout=jobs.WAIT_S)
    at_percent, began = seen[0], time.perf_counter()
    up.http.post(f"/api/v1/jobs/{job_id}:cancel")  # 409 when it is over
    job_s, work_s = _until_at_rest(up, lambda: _is_over(up, job_id), began)
    follower.join()
    if up.job(job_id)["state"] != "cancelled":
        return None
    return Cancelled(at_percent=at_percent, job_s=job_s, work_s=work_s)


def _is_over(up: Up, job_id: str) -> bool:
    """Its children count as well."""
    job = up.job(job_id)
    left = job.get("children") or {"queued": 0, "running": 0}
    return bool(job["done"]) and left["queued"] + left["running"] == 0


def _until_at_rest(up: Up, is_over: Callable[[], bool], began: float) -> tuple[float, float]:
    """Seconds since `began` until it is over, and until workers did something for the last time."""
    quiet, over_s, worked_s = tree.Quiet(up.process.pid), None, 0.0
    before = time.perf_counter()
    while over_s is None or time.perf_counter() - began - worked_s < REST_S:
        time.sleep(0.1)
        now = time.perf_counter()
        if now - began > MOST_S:
            raise RuntimeError(f"workers are not at rest {MOST_S:.0f} s after a cancel")
        if quiet.is_working(now - before):
            worked_s = now - began
        before = now
        if over_s is None and is_over():
            over_s = time.perf_counter() - began
    return over_s, worked_s


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / tree.MEBIBYTE:.0f}"
