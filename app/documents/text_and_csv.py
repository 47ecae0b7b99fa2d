"""Text files: plain text, Markdown and CSV, in any usual encoding."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from app.documents import encoding, items
from app.documents.items import Extent, Fact, Item, Position
from app.documents.table_text import Rows
from app.errors import InvalidInput

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


_SEPARATOR_LINE = re.compile('\ufeff?sep=([^\\w\\s"]|\t)\r?\n', re.IGNORECASE)
"""A first line that names the delimiter, as Excel writes it."""

DELIMITERS = ",;\t|"

SAMPLE_CHARACTERS = 64 * 1024
SAMPLE_ROWS = 50

ROWS_A_POSITION = 64

FIELD_LIMIT = 1_000_000
"""Characters of one field: a quote that is never closed would take the rest of the file."""


def read_csv(path: Path) -> Iterator[Item]:
    """Rows as lines of text."""
    guess, unreadable = encoding.of_file(path), 0
    yield Extent(total=path.stat().st_size)
    csv.field_size_limit(FIELD_LIMIT)
    with (
        path.open("rb") as raw,
        io.TextIOWrapper(raw, guess.name, errors="replace", newline="") as file,
    ):
        sample = file.read(SAMPLE_CHARACTERS)
        said = _SEPARATOR_LINE.match(sample)
        delimiter = said[1] if said else delimiter_of(sample)
        file.seek(0)
        if said:
            file.readline()
        rows, count = Rows(), 0
        lines = csv.reader(file, delimiter=delimiter)
        try:
            for row in lines:
                unreadable += sum(cell.count("\ufffd") for cell in row)
                yield from rows.read(row, number=lines.line_num)
                if lines.line_num % ROWS_A_POSITION == 0:
                    yield Position(done=raw.tell())
                count += any(cell.strip() for cell in row)
            yield from rows.finish()
        except csv.Error as error:
            raise InvalidInput(f"line {lines.line_num} is no CSV: {error}") from error
    yield from guess.caveats(unreadable)
    yield Fact(name="encoding", value=guess.name)
    yield Fact(name="encoding_confidence", value=guess.confidence)
    yield Fact(name="delimiter", value=delimiter)
    yield Fact(name="rows", value=count)


def delimiter_of(sample: str) -> str:
    """The delimiter that cuts the rows of the sample most evenly into most columns.

    >>> delimiter_of("name;price\\napple, red;1,50\\npear;2,00\\n")
    ';'
    """
    return max(DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))


def _evenness(sample: str, delimiter: str) -> tuple[float, int]:
    """The share of rows that have as many columns as most have, and how many those are."""
    reader = csv.reader(io.StringIO(sample), delimiter=delimiter)
    widths: list[int] = []
    try:
        for row in reader:
            if row and len(widths) < SAMPLE_ROWS:
                widths.append(len(row))
    except csv.Error:
        return (0.0, 0)
    if not widths:
        return (0.0, 0)
    usual = max(set(widths), key=lambda width: (widths.count(width), width))
    return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)
