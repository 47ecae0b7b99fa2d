"""Videos of articles from a local PubMed by real ffmpeg, and by commands of one's own."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.errors import (
    Cancelled,
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotConfigured,
    NotFound,
    PermanentError,
    RateLimited,
    RetryableError,
    UnsupportedFormat,
)
from app.pipelines.media import ffmpeg
from app.pipelines.video import article, generate
from app.pipelines.video.schema import Made, VideoParams
from app.testing import RecordedWork
from tests.integration import serving
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.processes import StartWorker
from tests.sites import pubmed as library_site
from tests.sites.pubmed import Library
from tests.tools import debian
from tests.waiting import eventually

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


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with library_site.serve() as found:
        yield found


@pytest.fixture
def work(open_work: OpenWork, library: Library, redis_url: str) -> RecordedWork:
    library.seen.clear()
    return open_work(**of_library(library, redis_url))


def of_library(library: Library, redis_url: str, **environment: str) -> dict[str, str]:
    return {
        "PUBMED_BASE_URL": library.url,
        "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "false",
        "CELERY_BROKER_URL": redis_url,
        "CELERIAC_VIDEO_VOICE": "",
        **environment,
    }


def made(work: RecordedWork, pubmed_id: str = library_site.STRUCTURED, **values: str) -> Made:
    return generate.generate(VideoParams.model_validate({"pubmed_id": pubmed_id, **values}), work)


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


PROGRAM = """
import json, os, pathlib, subprocess, sys, time
pathlib.Path(os.environ["TMPDIR"], "arguments.json").write_text(json.dumps(sys.argv[1:]))
output = pathlib.Path(os.environ["CELERIAC_OUTPUT"])
"""

GOOD = """
print("starting")
for line in (
    '{"progress": 40, "message": "half", "eta_seconds": 3}', '{"progress": 20}', '{nonsense',
    '{"progress": true}', '{"progress": 1e999}', '[1]', '{"title": "Carrots"}', '\\x00\\xff',
    '{"progress": 900}',
):
    print(line, flush=True)
sys.stdout.flush()
sys.stdout.buffer.write(b"\\xff\\xfe\\n" + b"x" * 3_000_000 + b"\\n")
print("at", os.environ["CELERIAC_PUBMED_ID"], os.environ["CELERIAC_ATTEMPT"])
output.write_bytes(b"\\0\\0\\0\\x18ftypmp42" + bytes(100))
"""


def commanded(
    open_work: OpenWork, library: Library, redis_url: str, folder: Path, body: str
) -> RecordedWork:
    """A work whose videos are made by this program."""
    program = folder / "make video.py"
    program.write_text(PROGRAM + body)
    written = f"{sys.executable} '{program}' --quality 'very high'"
    return open_work(**of_library(library, redis_url, VIDEO_PIPELINE_COMMAND=written))


def test_a_command_makes_the_video(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path
) -> None:
    work = commanded(open_work, library, redis_url, tmp_path, GOOD)
    result = made(work, "77", video_id="v-7")
    assert (result.made_by, result.title, result.size_bytes) == ("command", "Carrots", 112)
    assert work.artifact("video.mp4")[4:8] == b"ftyp"
    log = work.artifact("command.log").decode()
    assert log.endswith("at 77 1")
    assert len(log) <= 64 * 1024
    target = work.directory / "video.mp4"
    want = ["--quality", "very high", "--job-id", "recorded", "--video-id", "v-7"]
    want += ["--pubmed-id", "77", "--output", str(target)]
    assert (work.directory / "arguments.json").read_text() == str(want).replace("'", '"')
    half = next(report for report in work.reports if report.message == "half")
    assert (half.percent, half.eta_seconds) == (38, 3)
    assert work.percents == sorted(work.percents)


ENDS: dict[str, tuple[str, type[CeleriacError], str]] = {
    "bad input": ("print('no such thing', file=sys.stderr); sys.exit(65)", InvalidInput, "no such"),
    "not found": ("print('gone'); sys.exit(66)", NotFound, "gone"),
    "not set up": ("sys.exit(78)", NotConfigured, "not configured"),
    "later": ("sys.exit(75)", RetryableError, "later"),
    "a crash": ("raise RuntimeError('so')", RetryableError, "RuntimeError: so"),
    "a signal": ("os.kill(os.getpid(), 9)", RetryableError, "broke down"),
    "no video": ("", PermanentError, "no video"),
    "no MP4": ("output.write_bytes(b'a text, and not a short one')", PermanentError, "not an MP4"),
    "a link": ("output.symlink_to('/etc/passwd')", PermanentError, "no video"),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_command_ends_is_how_the_job_ends(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path, name: str
) -> None:
    body, want, words = ENDS[name]
    work = commanded(open_work, library, redis_url, tmp_path, body)
    with pytest.raises(CeleriacError, match=words) as raised:
        made(work)
    assert type(raised.value) is want


@pytest.mark.parametrize("written", ["no-such-program --fast", "'half a quote", "   "])
def test_a_command_that_cannot_be_run_is_a_setting_to_mend(
    open_work: OpenWork, library: Library, redis_url: str, written: str
) -> None:
    work = open_work(**of_library(library, redis_url, VIDEO_PIPELINE_COMMAND=written))
    with pytest.raises(NotConfigured):
        made(work)


HANG = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(os.environ["TMPDIR"], "pids").write_text(f"{os.getpid()} {child.pid}")
print('{"progress": 10}', flush=True)
time.sleep(600)
"""


def test_cancel_ends_a_command_that_hangs_with_all_it_started(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path
) -> None:
    work = commanded(open_work, library, redis_url, tmp_path, HANG)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            made(work)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: len(work.reports) > 1, why="the command is at work")
    pids = [int(pid) for pid in (work.directory / "pids").read_text().split()]
    cancelled_at = time.monotonic()
    work.cancel()
    thread.join(timeout=10)
    assert time.monotonic() - cancelled_at < 5
    assert [type(error) for error in raised] == [Cancelled]
    eventually(lambda: not any(is_alive(pid) for pid in pids), why="all of the group is gone")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


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
