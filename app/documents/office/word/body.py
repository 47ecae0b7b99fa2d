"""The body of a document as blocks of text, each under its headings."""

from collections.abc import Iterator

from app.documents import items
from app.documents.items import Block
from app.documents.office.ooxml import Element, child, tag_of
from app.documents.office.word import texts as containers
from app.documents.office.word.inline import REMOVED, Line
from app.documents.office.word.numbering import BULLET, Numbering
from app.documents.office.word.styles import PLAIN, Style, Styles
from app.documents.office.word.texts import Texts
from app.documents.table import Rows

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
