"""Process one video: metadata, transcript and frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import UnsupportedFormat
from app.fetch import http_client
from app.jobs.model.work import Work
from app.pipelines.media import page
from app.pipelines.youtube import captions, footage, metadata
from app.pipelines.youtube.captions import Track
from app.pipelines.youtube.footage import SpeechRecognizer
from app.pipelines.youtube.schema import (
    Metadata,
    Origin,
    Segment,
    Transcript,
    VideoFrame,
    YoutubeParams,
    YoutubeResult,
)

CAPTIONS_LIMIT_BYTES = 16 * 1024 * 1024
"""Ten times the captions of a day of speech."""

READ_PERCENT, FETCHED_PERCENT, RECOGNIZED_PERCENT = 10.0, 50.0, 80.0
"""Percents at which reading the page, fetching the file and recognising speech end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptReading:
    """Metadata and captions of a page's video."""

    metadata: Metadata
    captions: Transcript | None


def read(url: str, work: Work, *, languages: Sequence[str] = ()) -> TranscriptReading:
    """Read the page and its captions; `languages` come before those of the settings.

    Raises UnsupportedFormat (no video), NotFound, AddressRefused, LimitExceeded, RateLimited,
    RetryableError, and the errors of `check`.
    """
    settings = work.settings
    options = {**page.guarded_options(work), "ignore_no_formats_error": True}
    wanted = [*languages, *settings.footage.caption_languages]
    with page.opened(url, work, options) as downloader:
        info = downloader.extract_info(url, download=False)
        entry = page.only_entry(info)
        track = captions.find_track(entry, languages=wanted)
        content = None if track is None else _content(downloader, track)
    video = metadata.of_page(info, entry, url=url)
    if track is None or content is None:
        return TranscriptReading(metadata=video, captions=None)
    return TranscriptReading(metadata=video, captions=_of_track(track, content))


def _content(downloader: Any, track: Track) -> str:  # Any: yt-dlp ships no types
    with downloader.urlopen(track.url) as answer:
        blocks = iter(lambda: answer.read(65536), b"")
        limited = http_client.capped(blocks, limit_bytes=CAPTIONS_LIMIT_BYTES, url=track.url)
        return captions.decoded(b"".join(limited))


def _of_track(track: Track, content: str) -> Transcript | None:
    segments = captions.segments(content)
    origin = Origin.AUTOMATIC_CAPTIONS if track.is_automatic else Origin.MANUAL_CAPTIONS
    return transcript_of(segments, origin=origin, language=track.language)


def transcript_of(
    segments: Sequence[Segment], *, origin: Origin, language: str, engine: str | None = None
) -> Transcript | None:
    """The transcript; None if there is no speech."""
    if not segments:
        return None
    return Transcript(
        origin=origin,
        language=language,
        engine=engine,
        text=captions.text_of(segments),
        segments=tuple(segments),
    )


def find_recognizer(
    found: TranscriptReading, work: Work, *, prefer_captions: bool
) -> SpeechRecognizer | None:
    """The engine to recognise speech; None if captions suffice or there is no engine."""
    if prefer_captions and found.captions is not None:
        return None
    return footage.find_recognizer(work.settings.footage)


def recognize_file(
    recognizer: SpeechRecognizer, file: Path, work: Work, *, on_progress: Callable[[float], None]
) -> Transcript | None:
    """Recognise the speech in the file."""
    segments = footage.recognized(recognizer, file, work, on_progress=on_progress)
    return transcript_of(
        segments, origin=Origin.SPEECH, language=recognizer.language, engine=recognizer.name
    )


def choose(
    found: TranscriptReading, spoken: Transcript | None, *, was_recognized: bool
) -> Transcript:
    """The transcript: recognised speech if requested, else captions.

    Raises UnsupportedFormat if there is neither.
    """
    transcript = spoken or found.captions
    if transcript is None:
        reason = "and no speech was recognised" if was_recognized else "and no engine is installed"
        raise UnsupportedFormat(f"{found.metadata.url}: the video has no captions, {reason}")
    return transcript


def fetch(url: str, work: Work, *, languages: Sequence[str] = ()) -> tuple[Metadata, Transcript]:
    """The transcript only: captions, or speech if there are none and an engine is installed. Uses
    files in the workspace only. Raises as `read`."""
    found = read(url, work, languages=languages)
    recognizer = find_recognizer(found, work, prefer_captions=True)
    spoken = None
    if recognizer is not None:
        with footage.fetch_footage(url, work, footage.SOUND) as files:
            spoken = recognize_file(
                recognizer, files.sound, work, on_progress=lambda _: work.check()
            )
    return found.metadata, choose(found, spoken, was_recognized=recognizer is not None)


def extract_contents(params: YoutubeParams, work: Work) -> YoutubeResult:
    """Read the page, and fetch the file if it is needed.

    Raises UnsupportedFormat (no video, live, protected, no captions), NotFound, AddressRefused,
    LimitExceeded, RateLimited, RetryableError, StorageUnavailable, and the errors of `check`.
    """
    url = str(params.url)
    work.progress(0, "reading the page")
    found = read(url, work, languages=params.languages)
    work.progress(READ_PERCENT, "read the page")
    recognizer = find_recognizer(found, work, prefer_captions=params.prefer_captions)
    if recognizer is None:
        choose(found, None, was_recognized=False)  # before fetching a file in vain
    spoken, pictures = _speech_and_frames(params, found, recognizer, work)
    result = YoutubeResult(
        **found.metadata.model_dump(),
        transcript=choose(found, spoken, was_recognized=recognizer is not None),
        frames=pictures,
    )
    keys = metadata.archive_keys(found.metadata, params, asked_url=url)
    work.stores.video_archive.add(keys, video_id=result.video_id, job_id=work.job_id)
    work.progress(100, "done")
    return result


def _speech_and_frames(
    params: YoutubeParams, found: TranscriptReading, recognizer: SpeechRecognizer | None, work: Work
) -> tuple[Transcript | None, tuple[VideoFrame, ...]]:
    if recognizer is None and not params.extract_frames:
        return None, ()
    wanted = _wanted(with_sound=recognizer is not None, with_picture=params.extract_frames)
    span = (READ_PERCENT, FETCHED_PERCENT)
    with footage.fetch_footage(str(params.url), work, wanted, span=span) as files:
        spoken = _recognized(recognizer, files.sound, work, found.metadata)
        on_progress = _progress_within(
            work, found.metadata, (RECOGNIZED_PERCENT, 99.0), "finding scenes"
        )
        pictures = (
            footage.extract(files.picture, work, on_progress=on_progress)
            if params.extract_frames
            else ()
        )
    return spoken, pictures


def _wanted(*, with_sound: bool, with_picture: bool) -> str:
    if with_sound and with_picture:
        return footage.BOTH
    return footage.PICTURE if with_picture else footage.SOUND


def _recognized(
    recognizer: SpeechRecognizer | None, file: Path, work: Work, video: Metadata
) -> Transcript | None:
    if recognizer is None:
        return None
    on_progress = _progress_within(
        work, video, (FETCHED_PERCENT, RECOGNIZED_PERCENT), "recognising speech"
    )
    return recognize_file(recognizer, file, work, on_progress=on_progress)


def _progress_within(
    work: Work, video: Metadata, span: tuple[float, float], message: str
) -> Callable[[float], None]:
    """A function that reports seconds done as progress."""
    start, end = span

    def on_progress(done_s: float) -> None:
        ratio = min(1.0, done_s / video.duration_s) if video.duration_s else 0.0
        work.progress(start + ratio * (end - start), message)

    return on_progress
