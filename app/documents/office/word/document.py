"""DOCX and its relatives: paragraphs under their headings, lists, tables, notes and text boxes, in
order."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from lxml import etree

from app.documents import items
from app.documents.items import Block, Caveat, CaveatCode, Extent, Fact, Item, Position
from app.documents.office import ooxml
from app.documents.office.ooxml import Element, Package, child, tag_of
from app.documents.office.word import texts as containers
from app.documents.office.word.inline import REMOVED, Line
from app.documents.office.word.numbering import BULLET, Numbering
from app.documents.office.word.styles import PLAIN, Style, Styles
from app.documents.office.word.texts import NOTES, Texts
from app.documents.reader_options import DocumentLimits
from app.documents.table_text import Rows
from app.errors import InvalidInput

_MARGINS = {"header": "[Header]", "footer": "[Footer]"}

_UNREAD = {
    "chart": "chart",
    "diagramData": "diagram",
    "aFChunk": "embedded file",
    "oleObject": "embedded object",
    "package": "embedded object",
}
"""Relationships to parts whose text is not read, and what a person calls these."""


def read(path: Path, limits: DocumentLimits) -> Iterator[Item]:
    """The text of the document in reading order.

    Raises:
        InvalidInput: the file is damaged, has no main part, or declares entities.
        LimitExceeded: it is a ZIP bomb.
        PasswordNeeded: it is encrypted.
    """
    ooxml.checked_names(path, limits)
    ooxml.refuse_entities(path)
    with ooxml.opened(path) as opened:
        try:
            yield from _items(Package(opened))
        except (etree.LxmlError, zlib.error) as error:
            raise InvalidInput("the document is damaged: its XML cannot be read") from error


def _items(package: Package) -> Iterator[Item]:
    main = package.main_part()
    related: dict[str, list[str]] = defaultdict(list)
    for each in package.relationships(main):
        related[each.kind].append(each.target)
    labels = ParagraphLabels(
        Styles(_tree(package, related["styles"])), Numbering(_tree(package, related["numbering"]))
    )
    notes = {kind: _tree(package, related[part]) for kind, part in NOTES.items()}
    texts = Texts(notes, label=labels.of)
    body = BodyReader(labels=labels, texts=texts)
    yield Extent(total=max(1, package.size_of(main)))
    is_damaged = False
    with package.open(main) as file:
        events = etree.iterparse(
            file, events=("start", "end"), resolve_entities=False, no_network=True, recover=True
        )
        for element in _children_of_body(events):
            yield from body.read(element)
            yield Position(done=file.tell())
        is_damaged = len(events.error_log) > 0
    yield from _margins(package, related, texts)
    yield Fact(name="tables", value=body.tables)
    yield from _caveats(related, is_damaged=is_damaged)


def _tree(package: Package, parts: list[str]) -> Element | None:
    return package.tree(parts[0]) if parts else None


def _children_of_body(events: Iterator[tuple[str, Element]]) -> Iterator[Element]:
    """Each child of the body when it is complete. It is dropped afterwards, so memory stays
    small."""
    depth, body_depth = 0, -1
    for event, element in events:
        if event == "start":
            depth += 1
            if body_depth < 0 and tag_of(element) == "w:body":
                body_depth = depth
            continue
        if depth == body_depth:
            return
        if depth == body_depth + 1:
            yield element
            ooxml.drop(element)
        depth -= 1
    if body_depth < 0:
        raise InvalidInput("the document is damaged: its main part has no body")


def _margins(package: Package, related: Mapping[str, list[str]], texts: Texts) -> Iterator[Block]:
    """Headers and footers, each text once, although it is printed on every page."""
    seen: set[str] = set()
    for kind, mark in _MARGINS.items():
        for part in related.get(kind, ()):
            root = package.tree(part)
            text = "" if root is None else "\n".join(texts.of(root))
            if text and text not in seen:
                seen.add(text)
                yield from items.cut(f"{mark} {text}")


def _caveats(related: Mapping[str, list[str]], *, is_damaged: bool) -> Iterator[Caveat]:
    if is_damaged:
        yield Caveat(
            code=CaveatCode.DAMAGED,
            message="The document's XML is damaged; text may be missing where it is.",
        )
    unread = Counter(
        {what: 0 for what in _UNREAD.values()}
        | Counter(
            _UNREAD[kind] for kind, parts in related.items() if kind in _UNREAD for _ in parts
        )
    )
    for what, count in unread.items():
        if count:
            yield Caveat(
                code=CaveatCode.PARTS_UNREAD,
                message=f"The text of {count} {what}{'s' if count > 1 else ''} is not read.",
                count=count,
            )


MAX_TITLE_LENGTH = 200


class ParagraphLabels:
    """ParagraphLabels of paragraphs, which are asked for in the order of the document."""

    def __init__(self, styles: Styles, numbering: Numbering) -> None:
        self._styles = styles
        self._numbering = numbering

    def style_of(self, paragraph: Element) -> Style:
        return self._styles.of(paragraph)

    def of(self, paragraph: Element) -> str:
        return self.label(self._styles.of(paragraph))

    def label(self, style: Style) -> str:
        """What stands in front of a paragraph of this style; a heading gets no bullet."""
        if style.numbered is None:
            return BULLET if style.is_item and style.level is None else ""
        label = self._numbering.label(style.numbered)
        return "" if label == BULLET and style.level is not None else label


class BodyReader:
    """Reads the elements of a body in order, and knows under which headings it is."""

    def __init__(self, *, labels: ParagraphLabels, texts: Texts) -> None:
        self.tables = 0
        self._labels = labels
        self._texts = texts
        self._levels: list[tuple[int, str]] = []
        self._is_in_list = False
        self._begun: Line | None = None
        """What was read of a paragraph that goes on in the next one."""

    def read(self, element: Element) -> Iterator[Block]:
        """The blocks of an element of the body: a paragraph, a table, or what holds some of
        these."""
        match tag_of(element):
            case "w:p":
                yield from self._paragraph(element)
            case "w:tbl":
                yield from self._table(element)
            case "m:oMathPara" | "m:oMath":
                yield from self._finished(self._texts.line(element), PLAIN)
            case "mc:AlternateContent":
                for each in child(element, "mc:Choice") or child(element, "mc:Fallback") or ():
                    yield from self.read(each)
            case tag if tag not in REMOVED:
                for each in element:
                    yield from self.read(each)

    def _paragraph(self, paragraph: Element) -> Iterator[Block]:
        line, self._begun = self._texts.line(paragraph, begun=self._begun), None
        joint = containers.joint_to_next(paragraph)
        if joint is None:
            yield from self._finished(line, self._labels.style_of(paragraph))
        else:
            line.pieces.append(joint)
            self._begun = line

    def _finished(self, line: Line, style: Style) -> Iterator[Block]:
        text = line.text.strip()
        if text:
            text = f"{self._labels.label(style)} {text}".lstrip()
        if style.level is not None and text:
            self._levels = [entry for entry in self._levels if entry[0] < style.level]
            title = " ".join(items.clean(text).split())[:MAX_TITLE_LENGTH]
            self._levels.append((style.level, title))
        is_item = style.level is None and style.is_item
        joint = items.LINE if is_item and self._is_in_list else items.PARAGRAPH
        self._is_in_list = is_item
        yield from items.cut(text, joint=joint, headings=self._headings)
        for beside in self._texts.beside(line):
            yield from items.cut(beside, headings=self._headings)

    def _table(self, table: Element) -> Iterator[Block]:
        self.tables += 1
        self._is_in_list = False
        rows = Rows()
        for number, cells in enumerate(self._texts.rows(table), start=1):
            yield from self._placed(rows.read(cells, number=number))
        yield from self._placed(rows.finish())

    def _placed(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            yield Block(text=block.text, joint=block.joint, headings=self._headings)

    @property
    def _headings(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._levels)
