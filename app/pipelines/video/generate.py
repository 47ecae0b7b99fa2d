"""Make the video of an article: fetch it, write the script, draw, speak, join."""

from pathlib import Path
from urllib.parse import quote

from app.jobs.model.job import Artifact
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.video import command, film, narration, pubmed, script, slides
from app.pipelines.video.film import Shot
from app.pipelines.video.schema import Made, VideoParams
from app.pipelines.video.slides import Slide

SCRIPT_PERCENT, DRAWN_PERCENT = 10.0, 35.0

VIDEO, CAPTIONS, LOG = "video.mp4", "captions.vtt", "command.log"


def generate(params: VideoParams, work: Work) -> Made:
    """Make the video by the operator's command if there is one, else here.

    Raises NotFound, UnsupportedFormat (no abstract), InvalidInput, LimitExceeded, NotConfigured,
    RateLimited, RetryableError, StorageUnavailable, and what the work raises to stop.
    """
    written = work.platform.settings.video.command
    with disk.watched():
        made = _by_command(written, params, work) if written else _here(params, work)
    work.progress(100, "the video is there")
    return made


def _here(params: VideoParams, work: Work) -> Made:
    work.progress(0, "asking PubMed for the article")
    article = pubmed.fetch(params.pubmed_id, work)
    work.progress(SCRIPT_PERCENT, "drawing the slides")
    told = script.build_script(article, words=work.platform.settings.video.words)
    drawn = _drawn(told, work)
    work.progress(DRAWN_PERCENT, "narrating")
    spoken = narration.speak(tuple(slide.said for slide in drawn), work)
    shots = film.shots(drawn, spoken.durations_s)
    target = work.directory / VIDEO
    film.join(shots, sound=spoken.sound, title=article.title, target=target, work=work)
    video = work.save_artifact(target, name=VIDEO, media_type="video/mp4")
    _keep_captions(shots, work)
    return _made(params, work, video).model_copy(
        update={
            "title": article.title,
            "captions": CAPTIONS,
            "duration_seconds": round(shots[-1].end_s, 3),
            "scenes": len(told.scenes),
            "has_narration": spoken.sound is not None,
            "made_by": "built-in",
        }
    )


def _by_command(written: str, params: VideoParams, work: Work) -> Made:
    request = command.Request(video_id=_video_id(params, work), pubmed_id=params.pubmed_id)
    output = command.run(written, request, work)
    video = work.save_artifact(output.video, name=VIDEO, media_type="video/mp4")
    if output.log:
        _keep_text(output.log, LOG, "text/plain", work)
    return _made(params, work, video).model_copy(update={"title": output.title})


def _drawn(told: script.Script, work: Work) -> list[Slide]:
    drawn: list[Slide] = []
    for slide in slides.draw(told, work.directory):
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
    """Where the API serves it."""
    return f"/api/v1/jobs/{job_id}/artifacts/{quote(name)}"


def _video_id(params: VideoParams, work: Work) -> str:
    return params.video_id if params.video_id is not None else work.key
