"""Each pipeline as a job of `celeriac up`, beside its libraries used directly in a script: what
stands between the columns is the price of a queue, a row, events, limits and guards.

The script has its libraries imported, the pool has a warm worker. A job counts from the submit
until the client knows that it is over. Medians of some runs; both sides use the same local sites.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import answers, jobs
from benchmarks.rig import town as towns
from benchmarks.rig.jobs import Json
from benchmarks.rig.town import Town
from tests import papers, pdfs
from tests import up as platforms
from tests.sites import models, pubmed, receiver
from tests.up import Up

PAGES, SCANS, ROWS, SITE_PAGES, ENTRIES = 50, 4, 2_000, 100, 10

ONLY = os.environ.get("ONLY", "").split()
"""Kinds; all of them when empty."""

MOST_RUNS, ENOUGH_S = 7, 8.0
"""Runs of one side end with the first of both, after three at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One piece of work, done in both ways."""

    name: str
    kind: str
    params: Json
    script: Callable[[], object]


def main() -> None:
    os.environ["OMP_THREAD_LIMIT"] = "1"  # tesseract's threads would make the script slower
    with _running() as (up, town, folder):
        print("| job | script, s | job, s | difference, s | ratio |")
        print("|---|---|---|---|---|", flush=True)
        for case in _cases(up, town, folder):
            if not ONLY or case.kind in ONLY:
                print(_row(up, case), flush=True)


@contextmanager
def _running() -> Iterator[tuple[Up, Town, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="celeriac-bench-") as name,
        towns.built(pages=SITE_PAGES) as town,
        platforms.running(
            Path(name), settings=_settings(town), arguments=["--cooldown", "60"]
        ) as up,
    ):
        (Path(name) / "script").mkdir()
        yield up, town, Path(name) / "script"


def _settings(town: Town) -> dict[str, str]:
    return {
        "CELERIAC_WEBSITE_DELAY_S": "0",
        "CELERIAC_PDF_CACHE": "false",
        "CELERIAC_SKIP_ARCHIVED": "false",
        "ANTHROPIC_API_KEY": models.KEY,
        "ANTHROPIC_BASE_URL": town.models_url,
        "CELERIAC_LLM_MODEL": "claude-sonnet-4",
        "PUBMED_BASE_URL": town.pubmed_url,
        "CELERIAC_VIDEO_VOICE": "",
        "NOTIFY_WEBHOOK_SECRETS": receiver.SECRET,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(town.mail_port),
        "SMTP_SECURITY": "none",
    }


def _cases(up: Up, town: Town, folder: Path) -> Iterator[Case]:
    yield from _videos(town, folder)
    yield from _files(up, folder)
    yield from _network(up, town, folder)
    yield from _models(up, town, folder)
    yield _film(up, town, folder)


def _videos(town: Town, folder: Path) -> Iterator[Case]:
    from benchmarks.rig import scripts

    video, feed = f"{town.site_url}/video", f"{town.site_url}/feed?count={ENTRIES}"
    talks = [f"{town.site_url}/talk/n-{number}" for number in range(ENTRIES)]
    batch: Json = {"bot_id": "bot", "video_urls": talks}
    many = f"{ENTRIES} videos"
    yield _case("12 s of video", "media", {"url": video}, lambda: scripts.sound(video, folder))
    yield _case("captions", "youtube", {"url": video}, lambda: scripts.transcripts([video]))
    yield _case(many, "playlist", {"url": feed}, lambda: scripts.transcripts([], feed=feed))
    yield _case(many, "channel", {"query": feed}, lambda: scripts.transcripts([], feed=feed))
    yield _case(many, "video-batch", batch, lambda: scripts.spoken_chunks(talks))


def _files(up: Up, folder: Path) -> Iterator[Case]:
    from benchmarks.rig import scripts

    scan = pdfs.drawn(*[pdfs.picture(pdfs.scan((f"Sheet {n}",))) for n in range(SCANS)])
    text, text_id = _file(up, folder / "text.pdf", papers.pdf_of(PAGES))
    scans, scans_id = _file(up, folder / "scans.pdf", scan)
    rows, rows_id = _file(up, folder / "rows.xlsx", papers.xlsx_of(ROWS))
    bot: Json = {"chatbot_id": "bot"}
    pages: Json = {"upload_id": text_id, **bot}
    sheet: Json = {"upload_id": rows_id, **bot}
    yield _case(f"PDF, {PAGES} pages", "document", pages, lambda: scripts.pdf_chunks(text))
    yield _case(f"XLSX, {ROWS} rows", "document", sheet, lambda: scripts.rows_chunks(rows))
    yield _case(f"{PAGES} pages", "pdf", {"upload_id": text_id}, lambda: scripts.pdf_text(text))
    yield _case(f"{SCANS} scans", "pdf", {"upload_id": scans_id}, lambda: scripts.recognised(scans))


def _network(up: Up, town: Town, folder: Path) -> Iterator[Case]:
    from benchmarks.rig import scripts

    site: Json = {"chatbot_id": "bot", "url": town.web_url, "max_pages": 2 * SITE_PAGES}
    news: Json = {"user_id": "ada", "title": "Ready", "message": "Your file is ready."}
    channels: Json = {"webhook_url": town.hook_url, "email": "ada@example.org"}
    database, picture = up.folder / "data" / "celeriac.db", folder / "report.png"
    yield _case(f"{SITE_PAGES} pages", "website", site, lambda: scripts.site_chunks(town.web_url))
    yield _case(
        "webhook and e-mail",
        "notification",
        {**news, **channels},
        lambda: scripts.told(town.hook_url, town.mail_port),
    )
    yield _case("30 days", "report", {}, lambda: scripts.report(database, picture))


def _models(up: Up, town: Town, folder: Path) -> Iterator[Case]:
    from pydantic_ai import BinaryContent

    from app.pipelines.chart_image.schema import ChartReading
    from app.pipelines.strategy.question import StrategyAnswer
    from benchmarks.rig import scripts

    chart, chart_id = _file(up, folder / "chart.png", _chart())

    def look() -> object:
        shown = BinaryContent(scripts.shown_chart(chart), media_type="image/png")
        return scripts.asked(town.models_url, models.KEY, ["The picture:", shown], ChartReading)

    def read() -> object:
        return scripts.asked(town.models_url, models.KEY, answers.CONTENT, StrategyAnswer)

    yield _case("a short text", "strategy", {"content": answers.CONTENT}, read)
    yield _case("a picture", "chart-image", {"upload_id": chart_id}, look)


def _film(up: Up, town: Town, folder: Path) -> Case:
    """The script makes a film of as many slides and seconds as the job."""
    from benchmarks.rig import scripts

    params: Json = {"pubmed_id": pubmed.STRUCTURED}
    made = jobs.ended(up, jobs.submit(up, "video", params))["result"]
    article = f"{town.pubmed_url}/efetch.fcgi?db=pubmed&id={pubmed.STRUCTURED}"
    length_s = float(made["duration_seconds"])
    return _case(
        f"a film of {length_s:.0f} s",
        "video",
        params,
        lambda: scripts.film(article, folder, slides=SLIDES, length_s=length_s),
    )


SLIDES = 10
"""As many as the article has sentences."""


def _case(name: str, kind: str, params: Json, script: Callable[[], object]) -> Case:
    return Case(name=name, kind=kind, params=params, script=script)


def _file(up: Up, path: Path, content: bytes) -> tuple[Path, str]:
    path.write_bytes(content)
    return path, jobs.upload(up, content, path.name)


def _chart() -> bytes:
    target = io.BytesIO()
    pdfs.photo(size=(1600, 900)).save(target, "PNG")
    return target.getvalue()


def _row(up: Up, case: Case) -> str:
    script_s = _median_s(case.script)
    job_s = _median_s(lambda: jobs.ended(up, jobs.submit(up, case.kind, case.params)))
    more_s, ratio = job_s - script_s, job_s / script_s
    name = f"`{case.kind}`: {case.name}"
    return f"| {name} | {script_s:.3f} | {job_s:.3f} | {more_s:+.3f} | {ratio:.1f} |"


def _median_s(act: Callable[[], object]) -> float:
    """Of some runs, after one that warms up."""
    act()
    taken: list[float] = []
    while len(taken) < 3 or (len(taken) < MOST_RUNS and sum(taken) < ENOUGH_S):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
