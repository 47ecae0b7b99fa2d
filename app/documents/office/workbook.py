"""XLSX workbooks."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import python_calamine as calamine
from lxml import etree

from app.documents.items import Block, Caveat, CaveatCode, Extent, Fact, Item, Position
from app.documents.limits import Limits
from app.documents.office import archive, sheets
from app.documents.office.sheets import SheetShape
from app.documents.table import Cell, Rows
from app.errors import InvalidInput, PasswordNeeded

MAX_NAME_LENGTH = 100
"""Of a sheet, which every chunk of it tells. Excel allows 31 characters; a file can hold any."""

MAX_NAMES = 1000


MAX_RECTANGLE = 5_000_000
"""Cells of a sheet that is laid out as a rectangle. One that reaches further is read cell by
cell."""


def read(path: Path, limits: Limits) -> Iterator[Item]:
    """The rows of every sheet as lines of text.

    Raises PasswordNeeded, InvalidInput (damaged), LimitExceeded (a ZIP bomb).
    """
    archive.checked_names(path, limits)
    archive.refuse_entities(path)
    with archive.opened(path) as opened:
        try:
            shapes = sheets.shapes(opened)
            if any(shape.rows * shape.columns > MAX_RECTANGLE for shape in shapes):
                yield from _Reading(shapes).items(sheets.rows(opened, each) for each in shapes)
            else:
                yield from _rectangles(path, shapes)
        except calamine.PasswordError as error:
            raise PasswordNeeded("the workbook is encrypted: save it without a password") from error
        except (calamine.CalamineError, etree.LxmlError) as error:
            raise InvalidInput(f"the workbook is damaged or incomplete: {error}") from error


def _rectangles(path: Path, shapes: Sequence[SheetShape]) -> Iterator[Item]:
    with calamine.load_workbook(str(path)) as workbook:
        names = {
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
        }
        known = [shape for shape in shapes if shape.name in names]
        yield from _Reading(known).items(
            enumerate(workbook.get_sheet_by_name(shape.name).iter_rows(), start=1)
            for shape in known
        )


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
