"""The worksheets of a workbook as they are stored: how far they reach, and their cells one by one.

A reader that lays a sheet out as a rectangle needs memory for 17 billion cells where two are far
apart. What reaches far is read from here, cell by cell.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from app.documents.office import opc
from app.documents.office.opc import Package

MAX_COLUMNS = 16_384
_BLOCK_BYTES = 1024 * 1024
_OVERLAP_BYTES = 256

_REFERENCE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
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


def shapes(archive: zipfile.ZipFile) -> list[SheetShape]:
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


def rows(archive: zipfile.ZipFile, shape: SheetShape) -> Iterator[tuple[int, list[Value]]]:
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
    with package.open(part) as file:
        kept = b""
        while block := file.read(_BLOCK_BYTES):
            text = kept + block
            for letters in {found[1] for found in _REFERENCE.finditer(text)}:
                columns = max(columns, _column(letters))
            *_, last = ("0", *(found[2] for found in _REFERENCE.finditer(text[-_BLOCK_BYTES:])))
            last_row = max(last_row, int(last))
            if b"<f" in text:
                empty += len(_NO_VALUE.findall(text)) - len(_NO_VALUE.findall(kept))
            kept = text[-_OVERLAP_BYTES:]
    return SheetShape(
        name=name, part=part, rows=last_row, columns=columns, formulas_without_values=empty
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
        opc.drop(element)
