"""Rows of a table as lines of text: the same for CSV and spreadsheets."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from app.documents import items
from app.documents.items import Block

Cell = Any  # what a spreadsheet holds: text, numbers, booleans, moments, nothing

MAX_HEADER_LENGTH = 100


class Rows:
    """Turns the rows of one table into blocks. The first row that holds something is the header
    when all of it is text, each name once: then every value is told with its column's name, so
    that a chunk from the middle of the table can be understood."""

    def __init__(self, *, sheet: str | None = None) -> None:
        self._sheet = sheet
        self._header: list[str] | None = None
        self._is_begun = False

    def read(self, row: Sequence[Cell], *, number: int) -> Iterator[Block]:
        """The row's text, nothing for an empty one."""
        values = [text_of(cell) for cell in row]
        if not any(values):
            return
        joint = items.LINE if self._is_begun else items.PARAGRAPH
        line = self._line(values)
        self._is_begun = True
        headings = () if self._sheet is None else (self._sheet,)
        yield from items.cut(line, joint=joint, headings=headings, sheet=self._sheet, row=number)

    def _line(self, values: list[str]) -> str:
        if not self._is_begun and _is_header(values):
            self._header = values
            return " | ".join(value for value in values if value)
        if self._header is None:
            return " | ".join(values).rstrip(" |")
        return "; ".join(_named(self._header, values))


def _named(header: list[str], values: list[str]) -> Iterator[str]:
    for position, value in enumerate(values):
        name = header[position] if position < len(header) else ""
        if value:
            yield f"{name}: {value}" if name else value


def _is_header(values: list[str]) -> bool:
    names = [value for value in values if value]
    return (
        len(names) > 1
        and len(set(names)) == len(names)
        and not any(_is_number(name) or len(name) > MAX_HEADER_LENGTH for name in names)
    )


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").isdecimal()


def text_of(cell: Cell) -> str:
    """
    >>> [text_of(cell) for cell in ("  a\\nb ", 3.0, 2.5, True, None)]
    ['a b', '3', '2.5', 'yes', '']
    """
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case datetime.datetime():
            is_day = cell.time() == datetime.time(0)
            return cell.date().isoformat() if is_day else cell.isoformat(" ", "seconds")
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case _:
            return " ".join(str(cell).split())
