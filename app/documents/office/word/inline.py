"""The text of a paragraph as a reader sees it: insertions are in it, deletions are not."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.documents.office.ooxml import Element, attribute, child, tag_of

REMOVED = frozenset({"w:del", "w:moveFrom", "w:instrText", "w:delText", "w:delInstrText"})
"""Deletions, where moved text was, and the instructions of fields (their results are shown)."""

_SKIPPED = REMOVED | {
    *("w:pPr", "w:rPr", "w:sdtPr", "w:sdtEndPr", "w:smartTagPr", "w:customXmlPr", "w:tblPr"),
    *("w:fldData", "w:ffData", "m:rPr", "m:ctrlPr", "a:rPr", "a:pPr", "a:bodyPr"),
}

_CHARACTERS = {
    "w:tab": "\t",
    "w:ptab": "\t",
    "w:br": "\n",
    "w:cr": "\n",
    "w:noBreakHyphen": "-",
    "m:den": "/",
    "a:br": "\n",
}
"""What stands for a character; `m:den` has the denominator of a fraction in it as well."""

_REFERENCES = {
    "w:footnoteReference": "Footnote",
    "w:endnoteReference": "Endnote",
    "w:commentReference": "Comment",
}

_RAISED = str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎")
_SHIFTED = {"superscript": _RAISED, "subscript": _LOWERED}
"""Digits that stand higher or lower mean something else: 10⁷ is not 107."""

_FIRST_PRIVATE = 0xE000
"""Symbols from here on are places in a font, not characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A note whose text is in another part."""

    kind: str
    id: str
    number: int | None = None
    """As the text shows it; comments have none."""


class NoteNumbers:
    """Numbers of the notes of a document, in the order in which the text refers to them."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()

    def next(self, kind: str) -> int:
        self._numbers[kind] += 1
        return self._numbers[kind]


@dataclass(slots=True)
class Line:
    """A paragraph's text, and what stands beside it: notes, and boxes with paragraphs of their
    own."""

    numbers: NoteNumbers
    pieces: list[str] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def read(self, element: Element) -> None:
        """Add what the element's children show."""
        for each in element:
            self._add(each)

    def _add(self, element: Element) -> None:
        tag = tag_of(element)
        if tag in ("w:t", "m:t", "a:t"):
            self.pieces.append(element.text or "")
        elif tag in _SKIPPED:
            return
        elif tag in _REFERENCES:
            self._refer(element, _REFERENCES[tag])
        elif tag == "w:txbxContent":
            self.boxes.append(element)
        elif tag in _SPECIAL:
            _SPECIAL[tag](self, element)
        else:
            if tag in _CHARACTERS:
                self.pieces.append(_CHARACTERS[tag])
            self.read(element)

    def _refer(self, element: Element, kind: str) -> None:
        number = None if kind == "Comment" else self.numbers.next(kind)
        if number is not None:
            self.pieces.append(f"[{number}]")
        name = attribute(element, "id") or ""
        self.references.append(Reference(kind=kind, id=name, number=number))

    def _run(self, run: Element) -> None:
        """Text in the same format; digits above or below the line become such characters."""
        shift = child(run, "w:rPr", "w:vertAlign")
        start = len(self.pieces)
        self.read(run)
        table = None if shift is None else _SHIFTED.get(attribute(shift, "val") or "")
        shifted = "".join(self.pieces[start:])
        if table is not None and all(ord(character) in table for character in shifted):
            self.pieces[start:] = [shifted.translate(table)]

    def _picture(self, element: Element) -> None:
        """The alternative text that the author wrote for a picture or shape."""
        said = " ".join((attribute(element, "descr") or "").split())
        if said:
            self.pieces.append(f"[Picture: {said}]")

    def _ruby(self, element: Element) -> None:
        """The base text with its reading in parentheses."""
        base, reading = child(element, "w:rubyBase"), child(element, "w:rt")
        if base is not None:
            self.read(base)
        if reading is not None:
            self.pieces.append("(")
            self.read(reading)
            self.pieces.append(")")

    def _symbol(self, element: Element) -> None:
        try:
            code = int(attribute(element, "char") or "", 16)
        except ValueError:
            return
        if 32 <= code < _FIRST_PRIVATE:
            self.pieces.append(chr(code))

    def _alternate(self, element: Element) -> None:
        """Only one of the alternatives is shown: the newer one if it holds anything that is read
        here."""
        choice, fallback = child(element, "mc:Choice"), child(element, "mc:Fallback")
        before = (len(self.pieces), len(self.boxes))
        if choice is not None:
            self.read(choice)
        if fallback is not None and before == (len(self.pieces), len(self.boxes)):
            self.read(fallback)


_SPECIAL: Mapping[str, Callable[[Line, Element], None]] = {
    "w:r": Line._run,
    "w:ruby": Line._ruby,
    "wp:docPr": Line._picture,
    "w:sym": Line._symbol,
    "mc:AlternateContent": Line._alternate,
}
