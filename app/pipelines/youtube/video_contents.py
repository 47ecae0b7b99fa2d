"""Work on one video: what its page tells, what is said in it, and pictures of its scenes."""

from collections.abc import Callable
from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines.youtube import frames, metadata, transcript
from app.pipelines.youtube.schema import Frame, Metadata, Transcript, YoutubeParams, YoutubeResult
from app.pipelines.youtube.speech import SpeechRecognizer
from app.pipelines.youtube.transcript import (
    FETCHED_PERCENT,
    HEARD_PERCENT,
    READ_PERCENT,
    TranscriptReading,
)


def process(params: YoutubeParams, work: Work) -> YoutubeResult:
    """Read the page, and fetch the file where it is needed.

    Raises UnsupportedFormat (no video, live, protected, no captions), NotFound, AddressRefused,
    LimitExceeded, RateLimited, RetryableError, StorageUnavailable, and what the work raises to
    stop.
    """
    url = str(params.url)
    work.progress(0, "reading the page")
    found = transcript.read(url, work, languages=params.languages)
    work.progress(READ_PERCENT, "read the page")
    listener = transcript.find_listener(found, work, prefer_captions=params.prefer_captions)
    if listener is None:
        transcript.chosen(found, None, was_heard=False)  # before anything is fetched in vain
    said, pictures = _looked_at(params, found, listener, work)
    result = YoutubeResult(
        **found.metadata.model_dump(),
        transcript=transcript.chosen(found, said, was_heard=listener is not None),
        frames=pictures,
    )
    keys = metadata.archive_keys(found.metadata, params, asked_url=url)
    work.stores.video_archive.add(keys, video_id=result.video_id, job_id=work.job_id)
    work.progress(100, "done")
    return result


def _looked_at(
    params: YoutubeParams, found: TranscriptReading, listener: SpeechRecognizer | None, work: Work
) -> tuple[Transcript | None, tuple[Frame, ...]]:
    if listener is None and not params.extract_frames:
        return None, ()
    wanted = _wanted(is_heard=listener is not None, is_seen=params.extract_frames)
    span = (READ_PERCENT, FETCHED_PERCENT)
    with frames.fetch_footage(str(params.url), work, wanted, span=span) as files:
        said = _heard(listener, files.sound, work, found.metadata)
        tell = _teller(work, found.metadata, (HEARD_PERCENT, 99.0), "looking for scenes")
        pictures = frames.extract(files.picture, work, tell=tell) if params.extract_frames else ()
    return said, pictures


def _wanted(*, is_heard: bool, is_seen: bool) -> str:
    if is_heard and is_seen:
        return frames.BOTH
    return frames.PICTURE if is_seen else frames.SOUND


def _heard(
    listener: SpeechRecognizer | None, file: Path, work: Work, told: Metadata
) -> Transcript | None:
    if listener is None:
        return None
    tell = _teller(work, told, (FETCHED_PERCENT, HEARD_PERCENT), "recognising speech")
    return transcript.heard(listener, file, work, tell=tell)


def _teller(
    work: Work, told: Metadata, span: tuple[float, float], message: str
) -> Callable[[float], None]:
    """A function that turns the seconds that are done into progress."""
    start, end = span

    def tell(done_s: float) -> None:
        ratio = min(1.0, done_s / told.duration_s) if told.duration_s else 0.0
        work.progress(start + ratio * (end - start), message)

    return tell
