"""Process one video: metadata, transcript and frames."""

from collections.abc import Callable
from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines.youtube import frames, metadata, transcript
from app.pipelines.youtube.schema import Frame, Metadata, Transcript, YoutubeParams, YoutubeResult
from app.pipelines.youtube.speech import SpeechRecognizer
from app.pipelines.youtube.transcript import (
    FETCHED_PERCENT,
    READ_PERCENT,
    RECOGNIZED_PERCENT,
    TranscriptReading,
)


def extract_contents(params: YoutubeParams, work: Work) -> YoutubeResult:
    """Read the page, and fetch the file if it is needed.

    Raises UnsupportedFormat (no video, live, protected, no captions), NotFound, AddressRefused,
    LimitExceeded, RateLimited, RetryableError, StorageUnavailable, and the errors of `check`.
    """
    url = str(params.url)
    work.progress(0, "reading the page")
    found = transcript.read(url, work, languages=params.languages)
    work.progress(READ_PERCENT, "read the page")
    recognizer = transcript.find_recognizer(found, work, prefer_captions=params.prefer_captions)
    if recognizer is None:
        transcript.choose(found, None, was_recognized=False)  # before fetching a file in vain
    said, pictures = _speech_and_frames(params, found, recognizer, work)
    result = YoutubeResult(
        **found.metadata.model_dump(),
        transcript=transcript.choose(found, said, was_recognized=recognizer is not None),
        frames=pictures,
    )
    keys = metadata.archive_keys(found.metadata, params, asked_url=url)
    work.stores.video_archive.add(keys, video_id=result.video_id, job_id=work.job_id)
    work.progress(100, "done")
    return result


def _speech_and_frames(
    params: YoutubeParams, found: TranscriptReading, recognizer: SpeechRecognizer | None, work: Work
) -> tuple[Transcript | None, tuple[Frame, ...]]:
    if recognizer is None and not params.extract_frames:
        return None, ()
    wanted = _wanted(with_sound=recognizer is not None, with_picture=params.extract_frames)
    span = (READ_PERCENT, FETCHED_PERCENT)
    with frames.fetch_footage(str(params.url), work, wanted, span=span) as files:
        said = _recognized(recognizer, files.sound, work, found.metadata)
        on_progress = _progress_within(
            work, found.metadata, (RECOGNIZED_PERCENT, 99.0), "finding scenes"
        )
        pictures = (
            frames.extract(files.picture, work, on_progress=on_progress)
            if params.extract_frames
            else ()
        )
    return said, pictures


def _wanted(*, with_sound: bool, with_picture: bool) -> str:
    if with_sound and with_picture:
        return frames.BOTH
    return frames.PICTURE if with_picture else frames.SOUND


def _recognized(
    recognizer: SpeechRecognizer | None, file: Path, work: Work, told: Metadata
) -> Transcript | None:
    if recognizer is None:
        return None
    on_progress = _progress_within(
        work, told, (FETCHED_PERCENT, RECOGNIZED_PERCENT), "recognising speech"
    )
    return transcript.recognize_file(recognizer, file, work, on_progress=on_progress)


def _progress_within(
    work: Work, told: Metadata, span: tuple[float, float], message: str
) -> Callable[[float], None]:
    """A function that reports seconds done as progress."""
    start, end = span

    def on_progress(done_s: float) -> None:
        ratio = min(1.0, done_s / told.duration_s) if told.duration_s else 0.0
        work.progress(start + ratio * (end - start), message)

    return on_progress
