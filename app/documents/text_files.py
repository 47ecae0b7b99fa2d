"""Plain text and Markdown."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.documents import encoding, items
from app.documents.items import Extent, Fact, Item, Position

READ_CHARACTERS = 64 * 1024

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
_PARAGRAPH_END = re.compile(r"\n\s*\n|\f")
"""An empty line, or a form feed: the end of a page."""
_FENCE = re.compile(r"\s{0,3}(```|~~~)")


def read_text(path: Path) -> Iterator[Item]:
    """Paragraphs: what blank lines part."""
    yield from _read(path, _NoHeadings())


def read_markdown(path: Path) -> Iterator[Item]:
    """Paragraphs, each under its headings (`# Title`)."""
    yield from _read(path, _MarkdownHeadings())


class _NoHeadings:
    path: tuple[str, ...] = ()

    def see(self, paragraph: str) -> None:
        """Text is text."""


class _MarkdownHeadings:
    """The headings above the present place."""

    def __init__(self) -> None:
        self._levels: list[tuple[int, str]] = []
        self._is_code = False

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._levels)

    def see(self, paragraph: str) -> None:
        for line in paragraph.splitlines():
            if _FENCE.match(line):
                self._is_code = not self._is_code
            found = None if self._is_code else _HEADING.match(line)
            if found:
                level = len(found[1])
                self._levels = [entry for entry in self._levels if entry[0] < level]
                self._levels.append((level, found[2][:200]))


def _read(path: Path, headings: _NoHeadings | _MarkdownHeadings) -> Iterator[Item]:
    guess, unreadable = encoding.of_file(path), 0
    yield Fact(name="encoding", value=guess.name)
    yield Fact(name="encoding_confidence", value=guess.confidence)
    yield Extent(total=path.stat().st_size)
    for paragraph, done_bytes in _paragraphs(path, guess.name):
        headings.see(paragraph)
        unreadable += paragraph.count("\ufffd")
        yield from items.cut(paragraph, headings=headings.path)
        yield Position(done=done_bytes)
    yield from guess.caveats(unreadable)


def _paragraphs(path: Path, encoding_name: str) -> Iterator[tuple[str, int]]:
    """Each paragraph, and how many bytes of the file are read by then. One that is longer than
    what is read at once comes in pieces."""
    with path.open("rb") as raw, path.open(encoding=encoding_name, errors="replace") as file:
        begun = ""
        while some := file.read(READ_CHARACTERS):
            raw_bytes = len(some.encode(encoding_name, errors="replace"))
            raw.seek(raw_bytes, 1)
            *whole, begun = _PARAGRAPH_END.split(begun + some)
            if len(begun) >= READ_CHARACTERS:
                whole, begun = [*whole, begun], ""
            for paragraph in whole:
                yield paragraph, raw.tell()
        yield begun, raw.tell()
