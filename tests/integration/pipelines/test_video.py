"""Videos of articles from a local PubMed by real ffmpeg."""

import hashlib
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.errors import (
    Cancelled,
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    RateLimited,
    RetryableError,
    UnsupportedFormat,
)
from app.pipelines.media import ffmpeg
from app.pipelines.video import article
from app.pipelines.video.schema import Made
from app.testing import RecordedWork
from tests.integration import serving
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.pipelines.videos import made, of_library
from tests.integration.processes import StartWorker
from tests.sites import pubmed as library_site
from tests.sites.pubmed import Library
from tests.tools import debian

TITLE = "Effect of Daucus carota on CO2-limited growth & yield: a randomised trial."
BYLINE = "Ada Apium, Theo Selin\u00f3, The Root Group and others. Journal of Invented Trials. 2024"
SAID = [
    TITLE,
    BYLINE,
    "Celery and carrot share a family.",
    "Whether one helps the other is not known.",
    "We grew 120 plants in two groups, with 3.5 mg vs. 4 mg of feed a day.",
    "The trial took 12 weeks (p < 0.05 was the aim).",
    "Growth rose by 18% (95% CI 11\u201325).",
    "\u03b2-carotene did not change.",
    "No (plant) was lost where n<m.",
    "The pair grows well together.",
]


@pytest.fixture
def work(open_work: OpenWork, library: Library, redis_url: str) -> RecordedWork:
    library.seen.clear()
    return open_work(**of_library(library, redis_url))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What ffmpeg finds in a film that it decodes from end to end."""

    length_s: float
    streams: tuple[str, ...]
    size: tuple[int, int]
    title: str


def decoded(film: Path) -> Decoded:
    command = [ffmpeg.executable(), "-hide_banner", "-nostdin", "-xerror", "-i", str(film)]
    command += ["-map", "0:v", "-map", "0:a?", "-f", "null", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    told = told[: told.index("Output #0")] + told[told.rindex("time=") :]
    hours, minutes, seconds = re.findall(r"time=(\d+):(\d+):([\d.]+)", told)[-1]
    [size] = set(re.findall(r"Video:.* (\d+)x(\d+)", told))
    return Decoded(
        length_s=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
        streams=tuple(re.findall(r"Stream #0:\d.*?: (\w+: \w+)", told)),
        size=(int(size[0]), int(size[1])),
        title=re.findall(r"title +: (.*)", told)[0],
    )


def kept(work: RecordedWork, name: str, folder: Path) -> Path:
    target = folder / name
    target.write_bytes(work.artifact(name))
    return target


def captions_of(film: Path) -> list[str]:
    command = [ffmpeg.executable(), "-v", "error", "-i", str(film), "-map", "0:s", "-f", "srt", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [block.split("\n", 2)[2] for block in told.strip().split("\n\n")]


def test_an_article_becomes_a_film_with_captions(work: RecordedWork, tmp_path: Path) -> None:
    result = made(work, video_id="video-1")
    film = kept(work, "video.mp4", tmp_path)
    found = decoded(film)
    assert found.length_s == pytest.approx(42.38, abs=0.2)
    assert (found.streams, found.size) == (("Video: h264", "Subtitle: mov_text"), (1280, 720))
    assert found.title == TITLE
    assert captions_of(film) == SAID
    assert result == Made(
        video_id="video-1",
        pubmed_id=library_site.STRUCTURED,
        title=TITLE,
        video_url=None,
        artifact="video.mp4",
        captions="captions.vtt",
        duration_seconds=42.38,
        size_bytes=film.stat().st_size,
        sha256=hashlib.sha256(film.read_bytes()).hexdigest(),
        scenes=5,
        has_narration=False,
        made_by="built-in",
    )
    assert work.percents == sorted(work.percents)
    assert work.percents[-1] == 100
    vtt = work.artifact("captions.vtt").decode()
    assert "00:00:14.560 --> 00:00:18.400\nWhether one helps the other is not known." in vtt
    assert "No {plant} was lost where n&lt;m." in vtt


def test_the_film_is_narrated(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path
) -> None:
    debian.program("espeak-ng")
    work = open_work(**of_library(library, redis_url, CELERIAC_VIDEO_VOICE="en"))
    result = made(work, library_site.PLAIN)
    found = decoded(kept(work, "video.mp4", tmp_path))
    assert result.has_narration
    assert found.streams == ("Video: h264", "Audio: aac", "Subtitle: mov_text")
    assert found.length_s == pytest.approx(result.duration_seconds, abs=0.3)


@pytest.mark.parametrize(
    ("pubmed_id", "want"),
    [
        pytest.param(library_site.MISSING, NotFound, id="no such article"),
        pytest.param("400", NotFound, id="an id that cannot be"),
        pytest.param("604", NotFound, id="an error in a good answer"),
        pytest.param(library_site.WITHOUT_ABSTRACT, UnsupportedFormat, id="no abstract"),
        pytest.param("429", RateLimited, id="too fast"),
        pytest.param("502", RetryableError, id="a server that is down"),
        pytest.param("600", InvalidInput, id="an entity bomb"),
        pytest.param("601", InvalidInput, id="half an answer"),
        pytest.param("602", InvalidInput, id="5,000 elements deep"),
        pytest.param("603", LimitExceeded, id="too large an answer"),
    ],
)
def test_what_gives_no_film_says_why(
    work: RecordedWork, pubmed_id: str, want: type[CeleriacError]
) -> None:
    with pytest.raises(CeleriacError) as raised:
        made(work, pubmed_id)
    assert type(raised.value) is want


def test_requests_keep_ncbis_pace_over_all_workers(
    open_work: OpenWork, library: Library, redis_url: str
) -> None:
    library.seen.clear()
    works = [open_work(**of_library(library, redis_url)) for _ in range(5)]
    threads = [
        threading.Thread(target=article.fetch_article, args=(library_site.PLAIN, work))
        for work in works
    ]
    started_at = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    waited_s = sorted(seen.at_s - started_at for seen in library.seen)
    assert [waited > 0.33 * turn for turn, waited in enumerate(waited_s)] == [True] * 5


def test_the_key_goes_to_pubmed_and_nowhere_else(
    open_work: OpenWork, library: Library, redis_url: str
) -> None:
    library.seen.clear()
    keyed = {"NCBI_API_KEY": "a-secret", "NCBI_EMAIL": "who@site.example"}
    work = open_work(**of_library(library, redis_url, **keyed))
    with pytest.raises(RetryableError) as raised:
        made(work, "502")
    [seen] = library.seen
    assert seen.path == "/entrez/eutils/efetch.fcgi"
    assert seen.query == {
        "db": "pubmed",
        "id": "502",
        "retmode": "xml",
        "tool": "celeriac",
        "email": "who@site.example",
    }
    assert seen.form == {"api_key": "a-secret"}
    assert "a-secret" not in str(raised.value)


def test_cancel_ends_ffmpeg(work: RecordedWork) -> None:
    work.cancel_when = lambda report: report.message == "joining the film"
    with pytest.raises(Cancelled):
        made(work)


def test_the_original_routes_make_a_video_and_serve_it(
    environment: dict[str, str],
    start_worker: StartWorker,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PUBMED_BASE_URL", library.url)
    start_worker(["videos", "cleanup"], env={"PUBMED_BASE_URL": library.url})
    with serving.serve(serving.platform_from_environment()) as server:
        http = server.http
        ordered = http.post("/api/videos/generate", json={"pubmed_id": 31000002}).json()
        assert set(ordered) == {"job_id", "status"}
        job_id = ordered["job_id"]
        assert http.get(f"/api/videos/{job_id}").json()["video_url"] is None
        job = http.get(f"/api/v1/jobs/{job_id}", params={"wait": 60}).json()
        assert job["state"] == "succeeded", job
        found = http.get(f"/api/videos/{job_id}").json()
        url = found.pop("video_url")
        assert found == {
            "job_id": job_id,
            "video_id": job_id,
            "pubmed_id": "31000002",
            "status": "SUCCESS",
            "progress": 100.0,
            "error": None,
        }
        assert url == job["result"]["video_url"]
        film = tmp_path / "served.mp4"
        film.write_bytes(http.get(url).content)
        assert decoded(film).length_s == pytest.approx(10, abs=3)
        by_name = server.platform.celery.signature(
            "generate_video_task", args=("their-job", "video-7", "31000002")
        )
        plain = by_name.apply_async().get(timeout=60)
        assert (plain["video_id"], plain["video_url"]) == ("video-7", None)
        assert plain["duration_seconds"] == job["result"]["duration_seconds"]
        gone = http.post("/api/videos/generate", json={"pubmed_id": library_site.MISSING}).json()
        http.get(f"/api/v1/jobs/{gone['job_id']}", params={"wait": 60})
        failed = http.get(f"/api/videos/{gone['job_id']}").json()
        assert (failed["status"], failed["video_url"]) == ("FAILURE", None)
        assert failed["error"].startswith("NotFound: PubMed has no article")
        kind = http.post("/api/v1/jobs/video", json={"params": {"pubmed_id": "31000002"}}).json()
        job = http.get(f"/api/v1/jobs/{kind['id']}", params={"wait": 60}).json()
        assert (job["state"], job["result"]["pubmed_id"]) == ("succeeded", "31000002")
        refused: httpx2.Response = http.post("/api/videos/generate", json={"pubmed_id": "x"})
        assert refused.status_code == 422
        assert http.get("/api/videos/0198c7a0-0000-7000-8000-000000000000").status_code == 404
