"""Captions as text: what is said, without times, markup and repetition.

Reads WebVTT (https://www.w3.org/TR/webvtt1/) and SubRip, which differ in what is dropped here.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMATS = ("vtt", "srt")
"""What can be read, the better first."""

ARROW = "-->"

_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")

_REPEAT_WINDOW = 2
"""Machine-made captions roll: each cue shows the line before once more."""

Info = Mapping[str, Any]  # what yt-dlp tells of a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The captions of a video in one language."""

    url: str
    language: str
    is_automatic: bool


def find_track(info: Info) -> Track | None:
    """The captions that tell best what is said: written before recognised ones, the spoken
    language before English before any other."""
    spoken = info.get("language")
    for field, is_automatic in (("subtitles", False), ("automatic_captions", True)):
        found: Mapping[str, Sequence[Info]] = info.get(field) or {}
        for language in _by_preference(found, spoken):
            url = _readable_url(found[language])
            if url is not None:
                return Track(url=url, language=language, is_automatic=is_automatic)
    return None


def _by_preference(languages: Iterable[str], spoken: str | None) -> list[str]:
    def rank(language: str) -> int:
        if language.endswith("-orig") or (spoken is not None and _same(language, spoken)):
            return 0
        return 1 if _same(language, "en") else 2

    return sorted(languages, key=rank)


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


def lines(content: str) -> list[str]:
    """What is said, line by line.

    >>> lines("WEBVTT\\n\\n1\\n00:00.000 --> 00:04.000\\n<v Ann>Hello &amp; welcome\\n")
    ['Hello & welcome']
    """
    kept: list[str] = []
    for line in _spoken(content.removeprefix("\ufeff")):
        if line not in kept[-_REPEAT_WINDOW:]:
            kept.append(line)
    return kept


def _spoken(content: str) -> Iterator[str]:
    """Cues stand between empty lines; a block without times is a header, a note or a style."""
    for block in re.split(r"\n{2,}", content.replace("\r\n", "\n").replace("\r", "\n")):
        rows = block.split("\n")
        times = next((number for number, row in enumerate(rows) if ARROW in row), None)
        if times is None:
            continue
        for row in rows[times + 1 :]:
            text = " ".join(html.unescape(_TAG.sub("", row)).split())
            if text:
                yield text
