"""Make the video of an article, by our steps or by the operator's command."""

import json
import math
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotConfigured,
    NotFound,
    PermanentError,
    ProcessFailed,
    RetryableError,
)
from app.jobs.model.job import Artifact
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.video import article, film, script, slides
from app.pipelines.video.film import Shot
from app.pipelines.video.schema import Made, VideoParams
from app.pipelines.video.slides import Slide

DONE_PERCENT = 95.0

LOG_CHARACTERS = 64 * 1024
"""Characters kept of the end of its standard output."""

MESSAGE_LENGTH = 200

EXITS: dict[int, tuple[type[CeleriacError], str]] = {
    64: (PermanentError, "was called in a way that it does not know"),
    65: (InvalidInput, "cannot use the article"),
    66: (NotFound, "finds no such article"),
    75: (RetryableError, "asks to try again later"),
    77: (PermanentError, "was refused"),
    78: (NotConfigured, "is not configured"),
}
"""Exit codes as in sysexits.h. Others, and signals, are crashes, which are retried."""

_SET_AND_RUN = (
    "import json, os, sys; os.environ.update(json.loads(sys.argv[1])); "
    "os.execvp(sys.argv[2], sys.argv[2:])"
)

SCRIPT_PERCENT, DRAWN_PERCENT = 10.0, 35.0

VIDEO, CAPTIONS, LOG = "video.mp4", "captions.vtt", "command.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """The video to make."""

    video_id: str
    pubmed_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The files that the command made."""

    video: Path
    log: str
    title: str | None


def run_command(written: str, request: VideoRequest, work: Work) -> Output:
    """Run the operator's command.

    Raises NotConfigured, the error of its exit code, RetryableError for a crash, PermanentError for
    an output that is not an MP4, LimitExceeded for one that is too large, and the errors of
    `check`.
    """
    target = work.directory / "video.mp4"
    target.unlink(missing_ok=True)
    reader = _OutputReader(work)
    work.progress(0, "the video command is running")
    try:
        work.run_process(_command(written, request, target, work), on_line=reader.read_line)
    except ProcessFailed as error:
        raise _failure(error, reader.log) from error
    most = work.settings.files.download_limit_bytes
    _check(target, limit_bytes=most)
    return Output(video=target, log=reader.log, title=reader.title)


def _command(written: str, request: VideoRequest, target: Path, work: Work) -> list[str]:
    try:
        command = shlex.split(written)
    except ValueError as error:
        raise NotConfigured(f"VIDEO_PIPELINE_COMMAND cannot be read: {error}") from error
    if not command or shutil.which(command[0]) is None:
        raise NotConfigured(f"VIDEO_PIPELINE_COMMAND names no program: {written[:100]!r}")
    job_id = work.job_id or work.key
    variables = {
        "CELERIAC_JOB_ID": job_id,
        "CELERIAC_VIDEO_ID": request.video_id,
        "CELERIAC_PUBMED_ID": request.pubmed_id,
        "CELERIAC_OUTPUT": str(target),
        "CELERIAC_ATTEMPT": str(work.attempt),
        "TMPDIR": str(work.directory),
    }
    options = {
        "--job-id": job_id,
        "--video-id": request.video_id,
        "--pubmed-id": request.pubmed_id,
        "--output": str(target),
    }
    given = [part for pair in options.items() for part in pair]
    return [*_with_variables(variables), *command, *given]


def _with_variables(variables: dict[str, str]) -> Sequence[str]:
    """Runs the command that follows with these environment variables."""
    return sys.executable, "-I", "-S", "-c", _SET_AND_RUN, json.dumps(variables)


class _OutputReader:
    """Reads the program's output: JSON objects are progress, other lines are its log."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lines: list[str] = []
        self._length = 0
        self._percent = 0.0
        self.title: str | None = None

    @property
    def log(self) -> str:
        return "\n".join(self._lines)

    def read_line(self, line: str) -> None:
        report = _parse_report(line)
        if report is None:
            self._keep(line[-LOG_CHARACTERS:])
            self._work.check()
            return
        percent = _number(report.get("progress"))
        if percent is not None:
            reached = min(max(percent, 0.0), 100.0) * DONE_PERCENT / 100
            self._percent = max(self._percent, reached)
        if isinstance(report.get("title"), str):
            self.title = report["title"][:500]
        message = report.get("message")
        self._work.progress(
            self._percent,
            message[:MESSAGE_LENGTH] if isinstance(message, str) else "",
            eta_seconds=_number(report.get("eta_seconds")),
        )

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        self._length += len(line) + 1
        while self._length > LOG_CHARACTERS and len(self._lines) > 1:
            self._length -= len(self._lines.pop(0)) + 1


def _parse_report(line: str) -> dict[str, Any] | None:  # JSON
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _number(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _failure(error: ProcessFailed, log: str) -> CeleriacError:
    lines = (error.output_end.strip() or log.strip()).splitlines()
    reason = f": {lines[-1][:MESSAGE_LENGTH]}" if lines else ""
    known = EXITS.get(error.exit_code)
    if known is not None:
        kind, words = known
        return kind(f"the video command {words}{reason}")
    return RetryableError(f"the video command broke down ({error.exit_code}){reason}")


def _check(target: Path, *, limit_bytes: int) -> None:
    if not target.is_file() or target.is_symlink():
        raise PermanentError("the video command succeeded but wrote no video")
    if target.stat().st_size > limit_bytes:
        raise LimitExceeded(f"the video has more than {limit_bytes} bytes")
    with target.open("rb") as file:
        head = file.read(12)
    if head[4:8] != b"ftyp":
        raise PermanentError("the video command wrote a file that is not an MP4")


def generate(params: VideoParams, work: Work) -> Made:
    """Make the video by the operator's command if there is one, else by our own steps.

    Raises NotFound, UnsupportedFormat (no abstract), InvalidInput, LimitExceeded, NotConfigured,
    RateLimited, RetryableError, StorageUnavailable, and the errors of `check`.
    """
    written = work.settings.video.command
    with disk.full_disk_retried():
        made = _by_command(written, params, work) if written else _here(params, work)
    work.progress(100, "the video is ready")
    return made


def _here(params: VideoParams, work: Work) -> Made:
    work.progress(0, "fetching the article from PubMed")
    found = article.fetch_article(params.pubmed_id, work)
    work.progress(SCRIPT_PERCENT, "drawing the slides")
    story = script.build_script(found, words=work.settings.video.words)
    drawn = _drawn(story, work)
    work.progress(DRAWN_PERCENT, "narrating")
    spoken = film.speak(tuple(slide.narration for slide in drawn), work)
    shots = film.shots(drawn, spoken.durations_s)
    target = work.directory / VIDEO
    film.join(shots, sound=spoken.sound, title=found.title, target=target, work=work)
    video = work.save_artifact(target, name=VIDEO, media_type="video/mp4")
    _keep_captions(shots, work)
    return _made(params, work, video).model_copy(
        update={
            "title": found.title,
            "captions": CAPTIONS,
            "duration_seconds": round(shots[-1].end_s, 3),
            "scenes": len(story.scenes),
            "has_narration": spoken.sound is not None,
            "made_by": "built-in",
        }
    )


def _by_command(written: str, params: VideoParams, work: Work) -> Made:
    request = VideoRequest(video_id=_video_id(params, work), pubmed_id=params.pubmed_id)
    output = run_command(written, request, work)
    video = work.save_artifact(output.video, name=VIDEO, media_type="video/mp4")
    if output.log:
        _keep_text(output.log, LOG, "text/plain", work)
    return _made(params, work, video).model_copy(update={"title": output.title})


def _drawn(story: script.Script, work: Work) -> list[Slide]:
    drawn: list[Slide] = []
    for slide in slides.draw(story, work.directory):
        work.check()
        drawn.append(slide)
    return drawn


def _keep_captions(shots: tuple[Shot, ...], work: Work) -> None:
    _keep_text(film.vtt(shots), CAPTIONS, "text/vtt", work)


def _keep_text(text: str, name: str, media_type: str, work: Work) -> None:
    path: Path = work.directory / name
    path.write_text(text, encoding="utf-8")
    work.save_artifact(path, name=name, media_type=media_type)


def _made(params: VideoParams, work: Work, video: Artifact) -> Made:
    return Made(
        video_id=_video_id(params, work),
        pubmed_id=params.pubmed_id,
        title=None,
        video_url=None if work.job_id is None else video_url(work.job_id, video.name),
        artifact=video.name,
        captions=None,
        duration_seconds=None,
        size_bytes=video.size_bytes,
        sha256=video.sha256,
        scenes=None,
        has_narration=None,
        made_by="command",
    )


def video_url(job_id: str, name: str) -> str:
    """Path of the video at the API."""
    return f"/api/v1/jobs/{job_id}/artifacts/{quote(name)}"


def _video_id(params: VideoParams, work: Work) -> str:
    return params.video_id if params.video_id is not None else work.key
