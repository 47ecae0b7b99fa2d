"""Which captions of a video say best what is spoken."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMATS = ("vtt", "srt", "ttml")
"""What can be read, the better first."""

_BIBLIOGRAPHIC = {
    **{"alb": "sq", "arm": "hy", "baq": "eu", "bur": "my", "chi": "zh", "cze": "cs", "dut": "nl"},
    **{"fre": "fr", "geo": "ka", "ger": "de", "gre": "el", "ice": "is", "mac": "mk", "mao": "mi"},
    **{"may": "ms", "per": "fa", "rum": "ro", "slo": "sk", "tib": "bo", "wel": "cy"},
}
"""The second code that ISO 639-2 has for some languages."""

Info = Mapping[str, Any]  # what yt-dlp tells of a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The captions of a video in one language."""

    url: str
    language: str
    is_automatic: bool


def find_track(info: Info, *, languages: Sequence[str] = ()) -> Track | None:
    """The best captions that can be read.

    A wanted language comes before any other, even where a machine has recognised or translated it;
    then captions that somebody has written, then those that a machine has recognised; of these the
    spoken language, English, any other.
    """
    spoken = info.get("language")

    def rank(track: Track) -> tuple[int, int, int, int]:
        wanted = next((i for i, one in enumerate(languages) if _same(track.language, one)), None)
        if wanted is not None:
            is_exact = track.language.lower() == languages[wanted].lower()
            return wanted, track.is_automatic, not is_exact, 0
        is_spoken = track.language.endswith("-orig") or _same(track.language, spoken or "")
        is_english = _same(track.language, "en")
        return len(languages), track.is_automatic, not is_spoken, not is_english

    return min(_tracks(info), key=rank, default=None)


def _tracks(info: Info) -> Iterator[Track]:
    for field, is_automatic in (("subtitles", False), ("automatic_captions", True)):
        found: Mapping[str, Sequence[Info]] = info.get(field) or {}
        for language, formats in found.items():
            url = _readable_url(formats)
            if url is not None:
                yield Track(url=url, language=language, is_automatic=is_automatic)


def _same(language: str, other: str) -> bool:
    """Whether two tags name the same language, regions aside.

    >>> _same("eng", "en-GB"), _same("ger", "de"), _same("es-419", "es"), _same("en", "")
    (True, True, True, False)
    """
    return bool(other) and _short(language) == _short(other)


def _short(tag: str) -> str:
    """The language of a tag in two letters where it has any (ISO 639-1)."""
    from yt_dlp.utils import ISO639Utils  # slow to import

    language = tag.partition("-")[0].partition("_")[0].lower()
    language = _BIBLIOGRAPHIC.get(language, language)
    return (ISO639Utils.long2short(language) or language) if len(language) == 3 else language


def _readable_url(tracks: Sequence[Info]) -> str | None:
    by_format = {
        track["ext"]: str(track["url"])
        for track in reversed(tracks)
        if track.get("url") and track.get("protocol", "https") in ("http", "https")
    }
    return next((by_format[name] for name in FORMATS if name in by_format), None)
