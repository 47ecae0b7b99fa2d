"""What is said in the video of a page: its captions, or its speech as an engine hears it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import UnsupportedFormat
from app.fetch import http_client
from app.jobs.model.work import Work
from app.pipelines.media import page
from app.pipelines.youtube import captions, frames, metadata, speech
from app.pipelines.youtube.captions import Track
from app.pipelines.youtube.schema import Metadata, Origin, Segment, Transcript
from app.pipelines.youtube.speech import SpeechRecognizer

CAPTIONS_LIMIT_BYTES = 16 * 1024 * 1024
"""A day of talking has a tenth of it."""

READ_PERCENT, FETCHED_PERCENT, HEARD_PERCENT = 10.0, 50.0, 80.0
"""Where reading the page, fetching the file and recognising speech end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptReading:
    """What the page tells of its video."""

    metadata: Metadata
    captions: Transcript | None


def read(url: str, work: Work, *, languages: Sequence[str] = ()) -> TranscriptReading:
    """Read the page and its captions, `languages` before those of the settings.

    Raises UnsupportedFormat (no video), NotFound, AddressRefused, LimitExceeded, RateLimited,
    RetryableError, and what the work raises to stop.
    """
    settings = work.settings
    options = {**page.guarded_options(work), "ignore_no_formats_error": True}
    wanted = [*languages, *settings.footage.caption_languages]
    limit_s = settings.sites.page_time_s
    with page.opened(url, work, options, time_limit_s=limit_s) as downloader:
        info = downloader.extract_info(url, download=False)
        entry = page.only_entry(info)
        track = captions.find_track(entry, languages=wanted)
        content = None if track is None else _content(downloader, track)
    told = metadata.of_page(info, entry, url=url)
    if track is None or content is None:
        return TranscriptReading(metadata=told, captions=None)
    return TranscriptReading(metadata=told, captions=_of_track(track, content))


def _content(downloader: Any, track: Track) -> str:  # Any: yt-dlp ships no types
    with downloader.urlopen(track.url) as answer:
        blocks = iter(lambda: answer.read(65536), b"")
        limited = http_client.capped(blocks, limit_bytes=CAPTIONS_LIMIT_BYTES, url=track.url)
        return captions.decoded(b"".join(limited))


def _of_track(track: Track, content: str) -> Transcript | None:
    said = captions.segments(content)
    origin = Origin.AUTOMATIC_CAPTIONS if track.is_automatic else Origin.MANUAL_CAPTIONS
    return transcript_of(said, origin=origin, language=track.language)


def transcript_of(
    said: Sequence[Segment], *, origin: Origin, language: str, engine: str | None = None
) -> Transcript | None:
    """The transcript, when anything is said."""
    if not said:
        return None
    return Transcript(
        origin=origin,
        language=language,
        engine=engine,
        text=captions.text_of(said),
        segments=tuple(said),
    )


def find_listener(
    found: TranscriptReading, work: Work, *, prefer_captions: bool
) -> SpeechRecognizer | None:
    """The engine that is to recognise speech; None when captions do, or there is no engine."""
    if prefer_captions and found.captions is not None:
        return None
    return speech.find_recognizer(work.settings.footage)


def heard(
    recognizer: SpeechRecognizer, file: Path, work: Work, *, tell: Callable[[float], None]
) -> Transcript | None:
    """What the engine hears in the file."""
    said = speech.recognized(recognizer, file, work, tell=tell)
    return transcript_of(
        said, origin=Origin.SPEECH, language=recognizer.language, engine=recognizer.name
    )


def chosen(found: TranscriptReading, spoken: Transcript | None, *, was_heard: bool) -> Transcript:
    """The transcript: what was heard when that was wanted, else the captions.

    Raises UnsupportedFormat when there is neither.
    """
    transcript = spoken or found.captions
    if transcript is None:
        reason = (
            "and nothing is said that was understood" if was_heard else "and no engine hears it"
        )
        raise UnsupportedFormat(f"{found.metadata.url}: the video has no captions, {reason}")
    return transcript


def fetch(url: str, work: Work, *, languages: Sequence[str] = ()) -> tuple[Metadata, Transcript]:
    """The video's transcript by itself: captions, or speech where there are none and an engine is
    installed. Leaves no file behind but in the work's folder. Raises as `read`."""
    found = read(url, work, languages=languages)
    listener = find_listener(found, work, prefer_captions=True)
    spoken = None
    if listener is not None:
        with frames.fetch_footage(url, work, frames.SOUND) as files:
            spoken = heard(listener, files.sound, work, tell=lambda _: work.check())
    return found.metadata, chosen(found, spoken, was_heard=listener is not None)
