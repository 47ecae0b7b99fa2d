"""The text of things that hold paragraphs of their own: cells, text boxes, notes, headers and
footers."""

from collections.abc import Callable, Iterator, Mapping

from app.documents.office.ooxml import Element, attribute, child, is_on, tag_of
from app.documents.office.word.inline import REMOVED, Line, NoteNumbers, Reference

NOTES = {"Footnote": "footnotes", "Endnote": "endnotes", "Comment": "comments"}
"""Kinds of notes, and the relationships to the parts that hold their texts."""

MAX_TABLE_DEPTH = 5
MAX_SPAN = 100
"""Columns that one cell may span: a forged number would make a row of any width."""


class Texts:
    """Texts of containers, with the notes that they refer to."""

    def __init__(
        self, notes: Mapping[str, Element | None], *, label: Callable[[Element], str]
    ) -> None:
        """`notes` are the roots of the parts that hold notes, by kind; `label` gives the number or
        bullet of a paragraph, and is asked in the order of the document."""
        self._roots = notes
        self._label = label
        self._numbers = NoteNumbers()
        self._notes: dict[str, Mapping[str, str]] = {}

    def of(self, container: Element, *, depth: int = 0) -> Iterator[str]:
        """The texts of the paragraphs and rows in the container, blank ones left out."""
        for element in container:
            tag = tag_of(element)
            if tag == "w:p":
                line = self.line(element)
                text = line.text.strip()
                if text:
                    yield f"{self._label(element)} {text}".lstrip()
                yield from self.beside(line, depth=depth)
            elif tag == "w:tbl":
                for cells in self.rows(element, depth=depth):
                    yield " ".join(cell for cell in cells if cell)
            elif tag == "mc:AlternateContent":
                chosen = child(element, "mc:Choice")
                yield from self.of(element[:0] if chosen is None else chosen, depth=depth)
            elif tag not in REMOVED:
                yield from self.of(element, depth=depth)

    def line(self, paragraph: Element, *, begun: Line | None = None) -> Line:
        """The paragraph's text, behind what was begun of it."""
        line = Line(self._numbers) if begun is None else begun
        line.read(paragraph)
        return line

    def rows(self, table: Element, *, depth: int = 0) -> Iterator[list[str]]:
        """The texts of each row's cells; a cell that spans several columns is followed by empty
        ones."""
        if depth < MAX_TABLE_DEPTH:
            for row in _parts(table, "w:tr"):
                if child(row, "w:trPr", "w:del") is None:
                    yield [
                        text
                        for cell in _parts(row, "w:tc")
                        for text in self._cell(cell, depth=depth)
                    ]

    def beside(self, line: Line, *, depth: int = 0) -> Iterator[str]:
        """The texts of a paragraph's text boxes and notes, marked as what they are."""
        for box in line.boxes:
            text = "\n".join(self.of(box, depth=depth + 1)) if depth < MAX_TABLE_DEPTH else ""
            if text:
                yield f"[Text box] {text}"
        for reference in line.references:
            text = self._note(reference)
            if text:
                yield text

    def _cell(self, cell: Element, *, depth: int) -> Iterator[str]:
        """Its text, empty where it goes on with the cell above, and an empty one for each further
        column."""
        properties = child(cell, "w:tcPr")
        merged = child(properties, "w:vMerge")
        is_continued = merged is not None and attribute(merged, "val") in (None, "continue")
        yield "" if is_continued else " ".join(self.of(cell, depth=depth + 1))
        span = child(properties, "w:gridSpan")
        said = "" if span is None else attribute(span, "val") or ""
        if said.isdecimal():
            yield from [""] * min(int(said) - 1, MAX_SPAN)

    def _note(self, reference: Reference) -> str:
        if reference.kind not in self._notes:
            root = self._roots.get(reference.kind)
            self._notes[reference.kind] = {} if root is None else dict(self._read(root, reference))
        mark, _, text = self._notes[reference.kind].get(reference.id, "").partition("\n")
        number = "" if reference.number is None else f" {reference.number}"
        return f"[{mark}{number}] {text}" if text else ""

    def _read(self, root: Element, reference: Reference) -> Iterator[tuple[str, str]]:
        for note in root:
            if attribute(note, "type") in (None, "normal"):
                author = attribute(note, "author")
                text = "\n".join(self.of(note, depth=MAX_TABLE_DEPTH - 1))
                mark = f"{reference.kind} by {author}" if author else reference.kind
                yield attribute(note, "id") or "", f"{mark}\n{text}" if text else ""


def _parts(element: Element, tag: str) -> Iterator[Element]:
    """Rows of a table or cells of a row, also those inside of content controls; not those of inner
    tables."""
    for each in element:
        found = tag_of(each)
        if found == tag:
            yield each
        elif found not in REMOVED and found not in ("w:p", "w:tbl"):
            yield from _parts(each, tag)


def joint_to_next(paragraph: Element) -> str | None:
    """What stands between the paragraph and the next one where they are one: a space where the end
    of the paragraph was deleted, nothing behind a drop cap. None where the paragraph ends."""
    properties = child(paragraph, "w:pPr")
    frame, marks = child(properties, "w:framePr"), child(properties, "w:rPr")
    if frame is not None and attribute(frame, "dropCap") in ("drop", "margin"):
        return ""
    is_deleted = any(is_on(child(marks, tag)) for tag in ("w:del", "w:moveFrom"))
    return " " if is_deleted else None
