"""The main text of a web page, as trafilatura finds it, in blocks under their headings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.documents import items
from app.documents.items import Block
from app.documents.table_text import Rows

MAX_TITLE_LENGTH = 300

_LEVELS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset({"p", "head", "list", "item", "table", "row", "cell", "quote"})
"""Elements of trafilatura's XML that begin and end a line."""

Element = Any  # lxml ships no types


@dataclass(slots=True)
class MainText:
    """Reads the elements of a main text in order, and knows under which headings it is."""

    levels: tuple[tuple[int, str], ...] = ()

    def blocks(self, element: Element) -> Iterator[Block]:
        """Everything in the element, the text between its children included."""
        yield from self._loose(element.text)
        for child in element:
            yield from self._read(child)
            yield from self._loose(child.tail)

    def _read(self, element: Element) -> Iterator[Block]:
        match element.tag:
            case "head":
                yield from self._heading(element)
            case "list":
                yield from self._list(element, joint=items.PARAGRAPH)
            case "table":
                yield from self._table(element)
            case "code":
                yield from items.cut("".join(element.itertext()), **self._place)
            case str() if any(child.tag in ("list", "table") for child in element):
                yield from self.blocks(element)
            case str():
                yield from items.cut(_text(element), **self._place)

    def _loose(self, text: str | None) -> Iterator[Block]:
        yield from items.cut(" ".join((text or "").split()), **self._place)

    @property
    def _place(self) -> Mapping[str, Any]:  # Block's own
        return {"headings": tuple(title for _, title in self.levels)}

    def _heading(self, element: Element) -> Iterator[Block]:
        text = " ".join(_text(element).split())
        level = _LEVELS.get(element.get("rend") or "", 6)
        if text:
            above = tuple(entry for entry in self.levels if entry[0] < level)
            self.levels = (*above, (level, text[:MAX_TITLE_LENGTH]))
        yield from items.cut(text, **self._place)

    def _list(self, element: Element, *, joint: str) -> Iterator[Block]:
        """An item a line; those of a list within it follow theirs."""
        for item in element:
            text = _text(item, without="list")
            if text:
                yield from items.cut(f"- {text}", joint=joint, **self._place)
                joint = items.LINE
            for inner in item.iterchildren("list"):
                yield from self._list(inner, joint=joint)

    def _table(self, element: Element) -> Iterator[Block]:
        rows = Rows()
        for number, row in enumerate(element.iter("row"), start=1):
            cells = list(row.iter("cell"))
            marks = [cell.get("role") == "head" for cell in cells]
            is_header = all(marks) if any(marks) else None
            texts = [" ".join(_text(cell).split()) for cell in cells]
            yield from self._placed(rows.read(texts, number=number, is_header=is_header))
        yield from self._placed(rows.finish())

    def _placed(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            yield Block(text=block.text, joint=block.joint, **self._place)


def _text(element: Element, *, without: str = "") -> str:
    """The text of an element, a line for each line that a browser shows; `without` names children
    that are left out."""
    lines = "".join(_pieces(element, without)).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


def _pieces(element: Element, without: str) -> Iterator[str]:
    yield (element.text or "").replace("\n", " ")
    for child in element:
        edge = "\n" if child.tag in _BLOCKS or child.tag == "lb" else ""
        if child.tag != without and isinstance(child.tag, str):
            yield edge
            yield from _pieces(child, without)
        yield edge
        yield (child.tail or "").replace("\n", " ")
