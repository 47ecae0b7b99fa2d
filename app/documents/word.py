"""DOCX: paragraphs under their headings, lists and tables, in the order of the document."""

import re
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.opc.exceptions import OpcError
from docx.table import Table
from docx.text.paragraph import Paragraph

from app.documents import archive, items
from app.documents.items import Block, Extent, Fact, Item, Position
from app.documents.limits import Limits
from app.documents.table import Rows
from app.errors import InvalidInput

MAX_TITLE_LENGTH = 200
MAX_TABLE_DEPTH = 5

_HEADING = re.compile(r"[Hh]eading (\d)$")
_TITLE_LEVEL = 0


def read(path: Path, limits: Limits) -> Iterator[Item]:
    """The blocks of the body.

    Raises InvalidInput (damaged, attacks by entities), LimitExceeded (a bomb), PasswordNeeded.
    """
    archive.checked_names(path, limits)
    archive.refuse_entities(path)
    try:
        with archive.opened(path):
            document = docx.Document(str(path))
    except (OpcError, SyntaxError, KeyError, ValueError, AttributeError) as error:
        # lxml's errors are SyntaxErrors; python-docx takes missing parts for granted.
        raise InvalidInput(f"the DOCX is damaged: {str(error)[:200]}") from error
    yield Extent(total=len(document.element.body))
    body = _Body()
    for done, part in enumerate(document.iter_inner_content(), start=1):
        yield from body.read(part)
        yield Position(done=done)
    yield Fact(name="tables", value=body.tables)


class _Body:
    """Reads parts in order, and knows under which headings it is."""

    def __init__(self) -> None:
        self.tables = 0
        self._levels: list[tuple[int, str]] = []
        self._is_in_list = False

    def read(self, part: Paragraph | Table) -> Iterator[Block]:
        if isinstance(part, Table):
            self.tables += 1
            yield from self._table(part)
            return
        text = part.text.strip()
        level = _heading_level(part)
        if level is not None and text:
            self._levels = [entry for entry in self._levels if entry[0] < level]
            self._levels.append((level, items.clean(text)[:MAX_TITLE_LENGTH]))
        is_item = level is None and _is_list_item(part)
        joint = items.LINE if is_item and self._is_in_list else items.PARAGRAPH
        self._is_in_list = is_item
        yield from items.cut(
            f"- {text}" if is_item and text else text, joint=joint, headings=self._headings
        )

    @property
    def _headings(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._levels)

    def _table(self, table: Table) -> Iterator[Block]:
        self._is_in_list = False
        rows = Rows()
        for number, cells in enumerate(_cells(table, depth=0), start=1):
            for block in rows.read(cells, number=number):
                yield Block(text=block.text, joint=block.joint, headings=self._headings)


def _cells(table: Table, *, depth: int) -> Iterator[list[str]]:
    """The text of each row's cells; one that spans several columns counts once."""
    for row in table.rows:
        seen: set[object] = set()
        texts = []
        for cell in row.cells:
            if cell._tc in seen:
                continue
            seen.add(cell._tc)
            inner = [text for paragraph in cell.paragraphs if (text := paragraph.text.strip())]
            if depth < MAX_TABLE_DEPTH:
                for nested in cell.tables:
                    inner += [" ".join(texts) for texts in _cells(nested, depth=depth + 1)]
            texts.append(" ".join(inner))
        yield texts


def _heading_level(paragraph: Paragraph) -> int | None:
    name = paragraph.style.name if paragraph.style is not None else None
    if name is None:
        return None
    if name == "Title":
        return _TITLE_LEVEL
    found = _HEADING.match(name)
    return int(found[1]) if found else None


def _is_list_item(paragraph: Paragraph) -> bool:
    name = paragraph.style.name if paragraph.style is not None else None
    properties = paragraph._p.pPr
    is_numbered = properties is not None and properties.numPr is not None
    return is_numbered or (name or "").startswith("List ")
