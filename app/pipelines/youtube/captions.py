"""Choose the captions of a video, and parse them."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from app.documents import encoding
from app.errors import LimitExceeded
from app.pipelines.youtube.schema import Segment

SEGMENT_LIMIT = 50_000
"""Twice the segments of a day of speech."""

CUE_LENGTH = 10_000
"""Maximum characters of a cue. Longer text is cut."""

TOUCHING_S = 0.02
"""Cues within this gap may be rolling: the later one repeats lines of the earlier one."""

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,:;](\d{1,3}))?"
_TIMES = re.compile(rf"^[ \t]*{_TIME}[ \t]*-{{1,3}}>[ \t]*{_TIME}", re.MULTILINE)
_LINE_END = re.compile(r"\r+\n|\r")

_NAMES = "b|i|u|s|c|v|em|strong|font|lang|ruby|rt|span|p|div"
# The parts of each pattern are disjoint, so that matching takes linear time.
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(
    rf"</?(?:{_NAMES})(?:[\s.][^<>]*)?/?>|<\d+:[\d:.]+>|\{{\\[^{{}}]*\}}|\{{/?[bius]\}}",
    re.IGNORECASE,
)
"""Tags of captions. Other text in angle brackets is speech."""

_CLOCK = re.compile(r"(\d+):(\d{1,2}):(\d{1,2}(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?$")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms|f|t)$")

Element = Any  # lxml ships no types

FORMATS = ("vtt", "srt", "ttml")
"""Readable formats, best first."""

_BIBLIOGRAPHIC = {
    **{"alb": "sq", "arm": "hy", "baq": "eu", "bur": "my", "chi": "zh", "cze": "cs", "dut": "nl"},
    **{"fre": "fr", "geo": "ka", "ger": "de", "gre": "el", "ice": "is", "mac": "mk", "mao": "mi"},
    **{"may": "ms", "per": "fa", "rum": "ro", "slo": "sk", "tib": "bo", "wel": "cy"},
}
"""The alternative codes of ISO 639-2 for some languages."""

Info = Mapping[str, Any]  # yt-dlp's


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cue:
    start_s: float
    end_s: float
    rows: tuple[str, ...]


def decoded(content: bytes) -> str:
    """Captions as text, with their encoding detected."""
    return encoding.decoded(content).text


def segments(content: str) -> list[Segment]:
    """The speech, cue by cue. A line that the next cue repeats is kept once.

    Raises:
        LimitExceeded: there are more cues than a video has.

    >>> segments("WEBVTT\\n\\n1\\n00:00.000 --> 00:04.000\\n<v Ann>Hello &amp; welcome\\n")
    [Segment(start_s=0.0, end_s=4.0, text='Hello & welcome')]
    """
    kept: list[Segment] = []
    shown: dict[str, float] = {}
    for cue in _cues(content.removeprefix("\ufeff")):
        still = {row for row, end_s in shown.items() if cue.start_s - end_s <= TOUCHING_S}
        new = [row for row in cue.rows if row not in still]
        shown = {row: cue.end_s for row in cue.rows} or shown
        if new:
            kept.append(Segment(start_s=cue.start_s, end_s=cue.end_s, text=" ".join(new)))
        if len(kept) > SEGMENT_LIMIT:
            raise LimitExceeded(f"the captions have more than {SEGMENT_LIMIT} cues")
    return kept


def text_of(spoken: Iterable[Segment]) -> str:
    """The text, one line per segment."""
    return "\n".join(segment.text for segment in spoken)


def _cues(content: str) -> Iterator[_Cue]:
    text = _LINE_END.sub("\n", content)
    if re.match(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:\w+:)?tt\b", text, re.DOTALL):
        yield from _timed_text(text)
        return
    ends_at_blank = text.lstrip().startswith("WEBVTT")
    found = list(_TIMES.finditer(text))
    for position, times in enumerate(found):
        following = found[position + 1] if position + 1 < len(found) else None
        between = text[times.end() : following.start() if following is not None else len(text)]
        _, _, spoken = between.partition("\n")  # after the cue's settings
        if following is not None:
            spoken = _without_name(spoken)
        if ends_at_blank:
            spoken = spoken.partition("\n\n")[0]
        yield _cue(_seconds(times.groups()[:4]), _seconds(times.groups()[4:]), spoken)


def _without_name(spoken: str) -> str:
    """The text before a cue's times, without the cue's identifier: the line directly above the
    times, if it is a number or follows an empty line."""
    *body, last, _ = ["", "", *spoken.split("\n")]
    has_name = last.strip() and (last.strip().isdecimal() or not body[-1].strip())
    return "\n".join(body) if has_name else spoken


def _cue(start_s: float, end_s: float, spoken: str) -> _Cue:
    rows = tuple(row for row in map(_plain, _broken(spoken[:CUE_LENGTH])) if row)
    return _Cue(start_s=start_s, end_s=max(start_s, end_s), rows=rows)


def _broken(spoken: str) -> Sequence[str]:
    return _BREAK.sub("\n", spoken).split("\n")


def _plain(row: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", row)).split())


def _seconds(parts: Sequence[str | None]) -> float:
    """
    >>> _seconds(("1", "02", "03", "45")), _seconds((None, "0", "7", None))
    (3723.45, 7.0)
    """
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    fraction = float(f"0.{parts[3]}") if parts[3] else 0.0
    return round(hours * 3600 + minutes * 60 + seconds + fraction, 3)


def _timed_text(text: str) -> Iterator[_Cue]:
    """The paragraphs of a TTML document."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(text.strip().encode(), parser)
    if root is None:
        return
    rates = {
        unit: float(_said(root, name) or default)
        for unit, name, default in (("f", "frameRate", 30), ("t", "tickRate", 1))
    }
    for paragraph in root.iter("{*}p"):
        begin_s = _media_time(_said(paragraph, "begin"), rates)
        end_s = _media_time(_said(paragraph, "end"), rates)
        lasts_s = _media_time(_said(paragraph, "dur"), rates)
        if begin_s is not None:
            until_s = end_s if end_s is not None else begin_s + (lasts_s or 0.0)
            yield _cue(begin_s, until_s, html.escape("".join(_spoken(paragraph)), quote=False))


def _spoken(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            yield "\n" if child.tag.rpartition("}")[2] == "br" else "".join(_spoken(child))
        yield child.tail or ""


def _said(element: Element, name: str) -> str | None:
    """An attribute, in any namespace."""
    found = (value for key, value in element.attrib.items() if key.rpartition("}")[2] == name)
    return next(found, None)


def _media_time(text: str | None, rates: dict[str, float]) -> float | None:
    """
    >>> rates = {"f": 25.0, "t": 1000.0}
    >>> [_media_time(text, rates) for text in ("00:01:02.5", "1.5s", "500t", "x")]
    [62.5, 1.5, 0.5, None]
    """
    clock, offset = _CLOCK.match(text or ""), _OFFSET.match(text or "")
    if clock:
        frames = float(clock[4] or 0) / rates["f"]
        return round(int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) + frames, 3)
    if offset is None:
        return None
    number, unit = float(offset[1]), offset[2]
    scales = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    scale = scales.get(unit) or 1 / (rates.get(unit) or 1.0)
    return round(number * scale, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The captions of a video in one language."""

    url: str
    language: str
    is_automatic: bool


def find_track(info: Info, *, languages: Sequence[str] = ()) -> Track | None:
    """The best readable captions.

    Wanted languages come first, even as generated or translated captions. Then come written
    captions, then generated ones; of each the spoken language, English, any other.
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
    """Whether two tags name the same language, ignoring regions.

    >>> _same("eng", "en-GB"), _same("ger", "de"), _same("es-419", "es"), _same("en", "")
    (True, True, True, False)
    """
    return bool(other) and _short(language) == _short(other)


def _short(tag: str) -> str:
    """The language of a tag, as two letters (ISO 639-1) if there are."""
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
