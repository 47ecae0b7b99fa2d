"""XLSX workbooks."""

from collections.abc import Iterator
from pathlib import Path

import python_calamine as calamine

from app.documents import archive
from app.documents.items import Extent, Fact, Item, Position
from app.documents.limits import Limits
from app.documents.table import Rows
from app.errors import InvalidInput, PasswordNeeded

MAX_NAME_LENGTH = 100
"""Of a sheet, which every chunk of it tells. Excel allows 31 characters; a file can hold any."""

MAX_NAMES = 1000


def read(path: Path, limits: Limits) -> Iterator[Item]:
    """The rows of every sheet as lines of text."""
    archive.checked_names(path, limits)
    archive.refuse_entities(path)
    try:
        yield from _read(path)
    except calamine.PasswordError as error:
        raise PasswordNeeded("the workbook is encrypted: save it without a password") from error
    except calamine.CalamineError as error:
        raise InvalidInput(f"the workbook is damaged or incomplete: {error}") from error


def _read(path: Path) -> Iterator[Item]:
    with calamine.load_workbook(str(path)) as workbook:
        names = [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
        ]
        rows_before = row_count = 0
        for index, name in enumerate(names):
            sheet = workbook.get_sheet_by_name(name)
            # Later sheets are not measured before they are read: they count as this one does.
            yield Extent(total=rows_before + sheet.total_height * (len(names) - index))
            rows = Rows(sheet=name[:MAX_NAME_LENGTH])
            for number, row in enumerate(sheet.iter_rows(), start=1):
                for block in rows.read(row, number=number):
                    yield block
                    row_count += 1
                yield Position(done=rows_before + number)
            for block in rows.finish():
                yield block
                row_count += 1
            rows_before += sheet.total_height
    yield Fact(name="sheets", value=[name[:MAX_NAME_LENGTH] for name in names[:MAX_NAMES]])
    yield Fact(name="rows", value=row_count)
