"""XLSX workbooks: the rows of each sheet, and what of it has no value."""

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import python_calamine as calamine
from lxml import etree

from app.documents.items import Block, Caveat, CaveatCode, Extent, Fact, Item, Position
from app.documents.office import ooxml
from app.documents.office.ooxml import Package
from app.documents.reader_options import DocumentLimits
from app.documents.table_text import Cell, Rows
from app.errors import InvalidInput, PasswordNeeded

MAX_NAME_LENGTH = 100
"""Of a sheet's name, which each of its chunks has. Excel allows 31 characters; files may have
more."""

MAX_NAMES = 1000


MAX_RECTANGLE = 5_000_000
"""Cells of a sheet that is laid out as a rectangle. One that reaches further is read cell by
cell."""

MAX_COLUMNS = 16_384
_BLOCK_BYTES = 1024 * 1024
_OVERLAP_BYTES = 256

_REFERENCE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
_ERROR = re.compile(
    rb'<c\b([^<>]*\bt="e"[^<>]*)>(?:<f[^<>]*/>|<f[^<>]*>[^<]*</f>)?<v>(#[^<]{1,20})</v>'
)
MAX_ERRORS = 100_000
_NO_VALUE = re.compile(rb"(?:</f>|<f[^<>]*/>)(?:<v\s*/>|<v></v>)?</c>")

Element = Any  # lxml ships no types
Value = str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetShape:
    """How far a worksheet reaches, and what of it has no value."""

    name: str
    part: str
    rows: int
    columns: int
    formulas_without_values: int
    errors: Mapping[int, Mapping[int, str]]
    """What cells show whose formula failed, by row and column."""


def read(path: Path, limits: DocumentLimits) -> Iterator[Item]:
    """The rows of every sheet as lines of text.

    Raises PasswordNeeded, InvalidInput (damaged), LimitExceeded (a ZIP bomb).
    """
    ooxml.checked_names(path, limits)
    ooxml.refuse_entities(path)
    with ooxml.opened(path) as opened:
        try:
            shapes = _shapes(opened)
            if any(shape.rows * shape.columns > MAX_RECTANGLE for shape in shapes):
                yield from _Reading(shapes).items(_stored_rows(opened, each) for each in shapes)
            else:
                yield from _rectangles(opened, path, shapes)
        except calamine.PasswordError as error:
            raise PasswordNeeded("the workbook is encrypted: save it without a password") from error
        except (calamine.CalamineError, etree.LxmlError) as error:
            raise InvalidInput(f"the workbook is damaged or incomplete: {error}") from error


def _rectangles(
    archive: zipfile.ZipFile, path: Path, shapes: Sequence[SheetShape]
) -> Iterator[Item]:
    with calamine.load_workbook(str(path)) as workbook:
        names = {
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
        }
        known = [shape for shape in shapes if shape.name in names]
        yield from _Reading(known).items(_rectangle(archive, workbook, shape) for shape in known)


def _rectangle(
    archive: zipfile.ZipFile, workbook: calamine.CalamineWorkbook, shape: SheetShape
) -> Iterator[tuple[int, Sequence[Cell]]]:
    try:
        sheet = workbook.get_sheet_by_name(shape.name)
    except calamine.CalamineError:  # it is stricter than spreadsheet programs
        yield from _stored_rows(archive, shape)
        return
    first_column = 0 if sheet.start is None else sheet.start[1]
    for number, row in enumerate(sheet.iter_rows(), start=1):
        errors = shape.errors.get(number, {})
        for column, text in errors.items():
            at = column - 1 - first_column
            if 0 <= at < len(row) and row[at] == "":
                row[at] = text
        yield number, row


class _Reading:
    """One pass over the sheets of a workbook."""

    def __init__(self, shapes: Sequence[SheetShape]) -> None:
        self._shapes = shapes
        self._rows = 0

    def items(self, tables: Iterable[Iterable[tuple[int, Sequence[Cell]]]]) -> Iterator[Item]:
        yield Extent(total=sum(shape.rows for shape in self._shapes))
        before = 0
        for shape, table in zip(self._shapes, tables, strict=True):
            rows = Rows(sheet=shape.name[:MAX_NAME_LENGTH])
            for number, row in table:
                yield from self._counted(rows.read(row, number=number))
                yield Position(done=before + number)
            yield from self._counted(rows.finish())
            before += shape.rows
        names = [shape.name[:MAX_NAME_LENGTH] for shape in self._shapes[:MAX_NAMES]]
        yield Fact(name="sheets", value=names)
        yield Fact(name="rows", value=self._rows)
        yield from self._caveats()

    def _counted(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            self._rows += 1
            yield block

    def _caveats(self) -> Iterator[Caveat]:
        count = sum(shape.formulas_without_values for shape in self._shapes)
        if count:
            yield Caveat(
                code=CaveatCode.FORMULAS_WITHOUT_VALUES,
                message=f"{count} formulas have no stored value and are not read: open the "
                "workbook in a spreadsheet program and save it.",
                count=count,
            )


def _shapes(archive: zipfile.ZipFile) -> list[SheetShape]:
    """The worksheets in the order of the workbook."""
    package = Package(archive)
    main = package.main_part()
    linked = {each.id: each for each in package.relationships(main)}
    root = package.tree(main)
    found = []
    for sheet in () if root is None else root.iter("{*}sheet"):
        link = next((linked[v] for k, v in sheet.attrib.items() if k.endswith("}id")), None)
        if link is not None and link.kind == "worksheet" and package.has(link.target):
            found.append(_shape(package, link.target, name=sheet.get("name") or ""))
    return found


def _stored_rows(archive: zipfile.ZipFile, shape: SheetShape) -> Iterator[tuple[int, list[Value]]]:
    """The rows that hold something, each with its number, counted from 1."""
    package = Package(archive)
    strings = _shared_strings(package)
    with package.open(shape.part) as file:
        for row in _elements(file, "{*}row"):
            values: dict[int, Value] = {}
            for cell in row.iterchildren("{*}c"):
                found = _REFERENCE.match(f'r="{cell.get("r") or ""}"'.encode())
                column = _column(found[1]) if found else len(values) + 1
                if column <= MAX_COLUMNS:
                    values[column] = _value(cell, strings)
            number = row.get("r") or ""
            if values and number.isdecimal():
                yield int(number), [values.get(at) for at in range(1, max(values) + 1)]


def _shape(package: Package, part: str, *, name: str) -> SheetShape:
    last_row = columns = empty = 0
    errors: dict[int, dict[int, str]] = defaultdict(dict)
    with package.open(part) as file:
        kept = b""
        while block := file.read(_BLOCK_BYTES):
            text = kept + block
            references = _REFERENCE.findall(text)
            for letters in {letters for letters, _ in references}:
                columns = max(columns, _column(letters))
            last_row = max(last_row, int(references[-1][1]) if references else 0)
            if b"<f" in text:
                empty += len(_NO_VALUE.findall(text)) - len(_NO_VALUE.findall(kept))
            if b't="e"' in text and len(errors) < MAX_ERRORS:
                for attributes, shown in _ERROR.findall(text):
                    if found := _REFERENCE.search(attributes):
                        errors[int(found[2])][_column(found[1])] = shown.decode("ascii", "replace")
            kept = text[-_OVERLAP_BYTES:]
    return SheetShape(
        name=name,
        part=part,
        rows=last_row,
        columns=columns,
        formulas_without_values=empty,
        errors=errors,
    )


def _column(letters: bytes) -> int:
    """
    >>> _column(b"A"), _column(b"XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _value(cell: Element, strings: list[str]) -> Value:
    text = next((each.text for each in cell.iterchildren("{*}v")), None)
    match cell.get("t"):
        case "inlineStr":
            return "".join(each.text or "" for each in cell.iter("{*}t"))
        case "s":
            is_known = text is not None and text.isdecimal() and int(text) < len(strings)
            return strings[int(text or 0)] if is_known else None
        case "b":
            return text == "1"
        case None | "n":
            try:
                return float(text) if text else None
            except ValueError:
                return text
        case _:
            return text


def _shared_strings(package: Package) -> list[str]:
    linked = (each for each in package.relationships(package.main_part()))
    part = next((each.target for each in linked if each.kind == "sharedStrings"), None)
    if part is None or not package.has(part):
        return []
    with package.open(part) as file:
        return [
            "".join(each.text or "" for each in entry.iter("{*}t"))
            for entry in _elements(file, "{*}si")
        ]


def _elements(file: Any, tag: str) -> Iterator[Element]:
    """Each element of this name when it is complete; it is dropped afterwards."""
    events = etree.iterparse(file, tag=tag, resolve_entities=False, no_network=True, recover=True)
    for _, element in events:
        yield element
        ooxml.drop(element)
