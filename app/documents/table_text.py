"""Rows of a table as lines of text: the same for CSV, spreadsheets, web pages and DOCX."""

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.documents import items
from app.documents.items import Block

Cell = Any  # what a spreadsheet holds: text, numbers, booleans, moments, nothing

MAX_HEADER_LENGTH = 100

SAMPLE_ROWS = 20
"""The rows that are examined to decide what the first ones are."""

MAX_TITLE_ROWS = 4
"""Rows above a header that hold a title, a date or a remark."""

_LONGER = 3
"""Values that are so many times longer than the first row suggest that it is their header."""

SIGNIFICANT_DIGITS = 15
"""As spreadsheets show numbers: 3.3 is not 3.3000000000000003."""

_NUMBER = re.compile(r"[^\w(]{0,2}[-+(]?\d[\d.,'\s]*\)?\s*(?:%|[^\w\s]|[^\W\d]{1,3})?$")
_MOMENT = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T]\d{1,2}:\d{2}.*)?$|\d{1,2}:\d{2}(?::\d{2})?$"
)
_YEAR = re.compile(r"(?:19|20)\d{2}$")


class Layout(StrEnum):
    """What the rows of a table are."""

    RECORDS = "records"
    """A header, then a record in each row."""
    PAIRS = "pairs"
    """A name and its value in each row."""
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    values: list[str]
    number: int
    is_header: bool | None
    """Whether the source marks it as a header; None where sources do not."""


class Rows:
    """Turns the rows of one table into blocks of text.

    What the first rows are is decided by evidence: marks of the source, types of values,
    uniqueness, lengths. Under a header each value has its column's name, so that a chunk
    from the middle of the table can be understood.
    """

    def __init__(self, *, sheet: str | None = None) -> None:
        self._sheet = sheet
        self._sample: list[_Row] | None = []
        self._layout = Layout.PLAIN
        self._header: list[str] = []
        self._is_begun = False

    def read(
        self, row: Sequence[Cell], *, number: int, is_header: bool | None = None
    ) -> Iterator[Block]:
        """Take a row; give the blocks of those that are understood by then. Empty rows have
        none."""
        values = [text_of(cell) for cell in row]
        if not any(values):
            return
        taken = _Row(values=values, number=number, is_header=is_header)
        if self._sample is None:
            yield from self._told(taken, self._line(values))
            return
        self._sample.append(taken)
        if len(self._sample) >= SAMPLE_ROWS:
            yield from self.finish()

    def finish(self) -> Iterator[Block]:
        """The blocks of the rows that wait for a decision. More rows may follow."""
        sample, self._sample = self._sample or [], None
        first = _title_rows(sample)
        body = sample[first:]
        self._layout = layout_of(
            [row.values for row in body], is_header=body[0].is_header if body else None
        )
        for row in sample[:first]:
            yield from self._told(row, " | ".join(value for value in row.values if value))
        for position, row in enumerate(body):
            if position == 0 and self._layout is Layout.RECORDS:
                self._header = row.values
                yield from self._told(row, " | ".join(value for value in row.values if value))
            else:
                yield from self._told(row, self._line(row.values))

    def _told(self, row: _Row, line: str) -> Iterator[Block]:
        joint = items.LINE if self._is_begun else items.PARAGRAPH
        self._is_begun = True
        headings = () if self._sheet is None else (self._sheet,)
        yield from items.cut(
            line, joint=joint, headings=headings, sheet=self._sheet, row=row.number
        )

    def _line(self, values: list[str]) -> str:
        match self._layout:
            case Layout.RECORDS:
                return "; ".join(_named(self._header, values))
            case Layout.PAIRS:
                name, *rest = (value for value in values if value)
                return f"{name}: {'; '.join(rest)}" if rest else name
            case Layout.PLAIN:
                return " | ".join(values).rstrip(" |")


def layout_of(rows: Sequence[list[str]], *, is_header: bool | None = None) -> Layout:
    """What rows are, by evidence. `is_header` is what the source says of the first one.

    >>> layout_of([["Name", "Price"], ["Apple", "1.50"]])
    <Layout.RECORDS: 'records'>
    >>> layout_of([["City", "Berlin"], ["Trade", "Baker"]])
    <Layout.PAIRS: 'pairs'>
    >>> layout_of([["Land", "2023", "2024"], ["Chile", "3", "4"]])
    <Layout.RECORDS: 'records'>
    """
    if not rows or max(len([v for v in row if v]) for row in rows) < 2:
        return Layout.PLAIN
    first, below = rows[0], rows[1:]
    if is_header:
        return Layout.RECORDS
    if _can_name(first) and below and (is_header is None) and _names(first, below):
        return Layout.RECORDS
    return Layout.PAIRS if _are_pairs(rows) else Layout.PLAIN


def _can_name(first: list[str]) -> bool:
    """Whether the row could be a header: short texts, each once. Years may be among them."""
    names = [value for value in first if value]
    texts = [name for name in names if not is_value(name)]
    others = [name for name in names if is_value(name)]
    return (
        len(names) > 1
        and len(set(names)) == len(names)
        and all(len(name) <= MAX_HEADER_LENGTH for name in names)
        and all(_YEAR.match(other) for other in others)
        and bool(texts)
    )


def _names(first: list[str], below: Sequence[list[str]]) -> bool:
    """Whether the first row names what is below it rather than being one more of the same."""
    columns = [
        (name, [row[position] for row in below if position < len(row) and row[position]])
        for position, name in enumerate(first)
        if name
    ]
    if any(_most_are_values(values) for _, values in columns):
        return True
    if any(name in values for name, values in columns):
        return False
    if len(columns) > 2:
        return True
    lengths = [sum(map(len, values)) / len(values) for _, values in columns if values]
    return bool(lengths) and all(
        length >= _LONGER * len(name) for (name, _), length in zip(columns, lengths, strict=False)
    )


def _are_pairs(rows: Sequence[list[str]]) -> bool:
    """Whether each row is a name and its value: two columns, names that are short texts and
    differ."""
    names = [row[0] for row in rows if row and row[0]]
    return (
        all(len([value for value in row if value]) <= 2 for row in rows)
        and len(names) == len(rows)
        and len(set(names)) == len(names)
        and not any(is_value(name) or len(name) > MAX_HEADER_LENGTH for name in names)
    )


def _title_rows(rows: Sequence[_Row]) -> int:
    """How many rows in front hold one cell only, while those behind them hold several."""
    widths = [len([value for value in row.values if value]) for row in rows]
    count = next((position for position, width in enumerate(widths) if width > 1), 0)
    return count if count <= MAX_TITLE_ROWS else 0


def _most_are_values(values: Sequence[str]) -> bool:
    return bool(values) and 2 * sum(map(is_value, values)) > len(values)


def is_value(text: str) -> bool:
    """Whether a cell holds a number, an amount or a moment, which names of columns are not.

    >>> [is_value(text) for text in ("1,50", "-3 %", "5 €", "2024-01-31", "12:30", "A4 paper")]
    [True, True, True, True, True, False]
    """
    return bool(_NUMBER.match(text) or _MOMENT.match(text))


def _named(header: list[str], values: list[str]) -> Iterator[str]:
    for position, value in enumerate(values):
        name = header[position] if position < len(header) else ""
        if value:
            yield f"{name}: {value}" if name else value


def text_of(cell: Cell) -> str:
    """
    >>> [text_of(cell) for cell in ("  a\\nb ", 3.0, 2.5, 3.3000000000000003, True, None)]
    ['a b', '3', '2.5', '3.3', 'yes', '']
    """
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float():
            is_whole = cell.is_integer() and abs(cell) < 10**SIGNIFICANT_DIGITS * 10
            return str(int(cell)) if is_whole else f"{cell:.{SIGNIFICANT_DIGITS}g}"
        case datetime.datetime():
            is_day = cell.time() == datetime.time(0)
            return cell.date().isoformat() if is_day else cell.isoformat(" ", "seconds")
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case _:
            return " ".join(str(cell).split())
