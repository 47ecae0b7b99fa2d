"""Captions as what is said and when, without markup and repetition.

Reads WebVTT (https://www.w3.org/TR/webvtt1/) and SubRip, which differ in what is dropped here.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import LimitExceeded
from app.pipelines.youtube.schema import Segment

FORMATS = ("vtt", "srt")
"""What can be read, the better first."""

SEGMENT_LIMIT = 50_000
"""A day of talking has half of it."""

CUE_LENGTH = 10_000
"""Characters of one cue. What is longer is no caption, and is cut."""

_TIMES = re.compile(
    r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{3})[ \t]*-->[ \t]*"
    r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{3})"
)

# Each stops where another one begins: time stays linear in whatever a server sends.
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")

_REPEAT_WINDOW = 2
"""Machine-made captions roll: each cue shows the line before once more."""

Info = Mapping[str, Any]  # what yt-dlp tells of a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The captions of a video in one language."""

    url: str
    language: str
    is_automatic: bool


def find_track(info: Info, *, languages: Sequence[str] = ()) -> Track | None:
    """The captions that tell best what is said: written before recognised ones; of those the
    `languages` in their order, then the spoken language, English, any other."""
    spoken = info.get("language")
    for field, is_automatic in (("subtitles", False), ("automatic_captions", True)):
        found: Mapping[str, Sequence[Info]] = info.get(field) or {}
        for language in _by_preference(found, spoken, languages):
            url = _readable_url(found[language])
            if url is not None:
                return Track(url=url, language=language, is_automatic=is_automatic)
    return None


def _by_preference(found: Iterable[str], spoken: str | None, languages: Sequence[str]) -> list[str]:
    def rank(language: str) -> tuple[int, int]:
        wanted = next((i for i, one in enumerate(languages) if _same(language, one)), None)
        if wanted is not None:
            is_exact = language.lower() == languages[wanted].lower()
            return wanted, 0 if is_exact else 1
        if language.endswith("-orig") or (spoken is not None and _same(language, spoken)):
            return len(languages), 0
        return len(languages) + 1, 0 if _same(language, "en") else 1

    return sorted(found, key=rank)


def _same(language: str, other: str) -> bool:
    """Whether two language tags name the same language, regions aside."""
    return language.partition("-")[0].lower() == other.partition("-")[0].lower()


def _readable_url(tracks: Sequence[Info]) -> str | None:
    by_format = {
        track["ext"]: str(track["url"])
        for track in reversed(tracks)
        if track.get("url") and track.get("protocol", "https") in ("http", "https")
    }
    return next((by_format[name] for name in FORMATS if name in by_format), None)


def segments(content: str) -> list[Segment]:
    """What is said, cue by cue. A line that a cue only repeats is said once, where it came first.

    Raises LimitExceeded.

    >>> segments("WEBVTT\\n\\n1\\n00:00.000 --> 00:04.000\\n<v Ann>Hello &amp; welcome\\n")
    [Segment(start_s=0.0, end_s=4.0, text='Hello & welcome')]
    """
    kept: list[Segment] = []
    shown: list[str] = []
    for start_s, end_s, rows in _cues(content.removeprefix("\ufeff")):
        new = []
        for row in rows:
            if row not in shown[-_REPEAT_WINDOW:]:
                shown.append(row)
                new.append(row)
        if new:
            kept.append(Segment(start_s=start_s, end_s=max(start_s, end_s), text=" ".join(new)))
        if len(kept) > SEGMENT_LIMIT:
            raise LimitExceeded(f"the captions have more than {SEGMENT_LIMIT} cues")
    return kept


def text_of(said: Iterable[Segment]) -> str:
    """What is said, a line for each segment."""
    return "\n".join(segment.text for segment in said)


def _cues(content: str) -> Iterator[tuple[float, float, list[str]]]:
    """Cues stand between empty lines; a block without times is a header, a note or a style."""
    for block in re.split(r"\n{2,}", content.replace("\r\n", "\n").replace("\r", "\n")):
        times = _TIMES.search(block)
        if times is None:
            continue
        start_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        _, _, spoken = block[times.end() :].partition("\n")  # after the cue's settings
        yield start_s, end_s, [row for row in map(_plain, spoken[:CUE_LENGTH].split("\n")) if row]


def _plain(row: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", row)).split())


def _seconds(parts: Sequence[str | None]) -> float:
    """
    >>> _seconds(("1", "02", "03", "450"))
    3723.45
    """
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
