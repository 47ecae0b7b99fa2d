"""Plain text and Markdown."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.documents import encoding, items
from app.documents.items import Extent, Fact, Item, Position

READ_CHARACTERS = 64 * 1024

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
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
    name = encoding.of_file(path)
    yield Fact(name="encoding", value=name)
    yield Extent(total=path.stat().st_size)
    for paragraph, done_bytes in _paragraphs(path, name):
        headings.see(paragraph)
        yield from items.cut(paragraph, headings=headings.path)
        yield Position(done=done_bytes)


def _paragraphs(path: Path, encoding_name: str) -> Iterator[tuple[str, int]]:
    """Each paragraph, and how many bytes of the file are read by then. One that is longer than
    what is read at once comes in pieces."""
    with path.open("rb") as raw, path.open(encoding=encoding_name, errors="replace") as file:
        begun = ""
        while some := file.read(READ_CHARACTERS):
            raw_bytes = len(some.encode(encoding_name, errors="replace"))
            raw.seek(raw_bytes, 1)
            *whole, begun = re.split(r"\n\s*\n", begun + some)
            if len(begun) >= READ_CHARACTERS:
                whole, begun = [*whole, begun], ""
            for paragraph in whole:
                yield paragraph, raw.tell()
        yield begun, raw.tell()
