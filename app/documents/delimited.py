"""CSV: columns parted by commas, semicolons, tabs or bars, in any usual encoding."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from app.documents import encoding
from app.documents.items import Extent, Fact, Item, Position
from app.documents.table import Rows
from app.errors import InvalidInput

_SEPARATOR_LINE = re.compile('\ufeff?sep=([^\\w\\s"]|\t)\r?\n', re.IGNORECASE)
"""A first line that names the delimiter, as Excel writes it."""

DELIMITERS = ",;\t|"

SAMPLE_CHARACTERS = 64 * 1024
SAMPLE_ROWS = 50

FIELD_LIMIT = 1_000_000
"""Characters of one field: a quote that is never closed would take the rest of the file."""


def read(path: Path) -> Iterator[Item]:
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
