"""The number or bullet in front of a paragraph."""

from app.documents.office.opc import Element
from app.documents.office.word.numbering import BULLET, Numbering
from app.documents.office.word.styles import Style, Styles


class Labels:
    """Labels of paragraphs, which are asked for in the order of the document."""

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
