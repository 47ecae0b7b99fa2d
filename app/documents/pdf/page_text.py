"""The text of a page of a PDF: words in one piece, values of form fields, and notes."""

import ctypes
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

MARK = "\ufffe\x02"
"""What pdfium writes for a hyphen at the end of a line: the first, older releases the second."""

_PARTED = re.compile(rf"([^\W_]*)[{MARK}]\r?\n?([^\W_]*)")
_NUMBERS = re.compile(r"(\d)-\r?\n(\d)")
_COMPOUND = re.compile(r"[^\W_]+(?:-[^\W_]+)+")

_KEEPS_BEFORE = frozenset(
    {
        *("self", "well", "non", "ex", "all", "half", "high", "low", "long", "short", "cross"),
        *("full", "part", "one", "two", "three", "four", "five", "six", "ten", "first", "second"),
        *("anti", "multi", "pre", "post", "pro", "semi", "sub", "co", "e", "in", "of", "on"),
        *("to", "the", "by", "up", "off", "out", "down", "and", "or", "vice", "mid", "real"),
    }
)
"""First parts of compounds that are written with a hyphen more often than in one word."""

_KEEPS_AFTER = frozenset(
    {"of", "the", "to", "in", "on", "and", "or", "by", "up", "off", "out", "like"}
)


MAX_ANNOTATIONS = 10_000
"""Of one page."""

_MARKS = {
    pdfium.FPDF_ANNOT_FREETEXT: "",
    pdfium.FPDF_ANNOT_TEXT: "[Note] ",
    pdfium.FPDF_ANNOT_HIGHLIGHT: "[Note] ",
    pdfium.FPDF_ANNOT_UNDERLINE: "[Note] ",
    pdfium.FPDF_ANNOT_STRIKEOUT: "[Note] ",
}
"""Annotations with contents of their own; a free text is shown on the page, a note when it is
opened."""

_CHECKED = frozenset({pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON})
_FILLED = frozenset(
    {
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    }
)

_SHOWS_VALUE = frozenset({pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX})
"""A list box shows what could be chosen, and a check box no word."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
MIN_CONTROLS, CONTROLS_RATIO = 3, 0.05
"""A text with so many control characters, and so large a share of them, is gibberish."""

Handle = Any  # a pointer of pdfium


def of_page(document: pypdfium2.PdfDocument, index: int, page: pypdfium2.PdfPage) -> str:
    """The page's text with words in one piece, then what was filled in and noted on it.

    Annotations are taken off the page, which is drawn without them from then on.
    """
    text = _written(page)
    added = list(_annotations(document, page))
    if 0 < pdfium.FPDFPage_GetAnnotCount(page.raw) <= MAX_ANNOTATIONS:
        text = _with_appearances(document, index, page, text)
    seen = " ".join(text.split())
    added = [line for line in added if line not in seen]
    return "\n".join((joined(text).strip(), *added)).strip()


def _written(page: pypdfium2.PdfPage) -> str:
    return str(page.get_textpage().get_text_range(errors="replace"))


def _with_appearances(
    document: pypdfium2.PdfDocument, index: int, page: pypdfium2.PdfPage, written: str
) -> str:
    """The text with that of buttons, lists and signatures, which is in their appearances alone.

    pdfium finds it once it has made them part of the page. It sometimes mixes up fonts then, and
    loses what was written before.
    """
    done = pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
    if done != pdfium.FLATTEN_SUCCESS:
        return written
    with closing(document[index]) as flat:
        text = _written(flat)
    return written if Counter(written.split()) - Counter(text.split()) else text


def is_garbled(text: str) -> bool:
    """Whether the font does not say which letters its glyphs are, so that the text is gibberish.

    >>> is_garbled("0SVIQ\\x04MTWYQ HSPSV\\x04WMX\\x04EQIX"), is_garbled("a\\tb\\r\\nc")
    (True, False)
    """
    odd = len(_CONTROLS.findall(text))
    return odd >= MIN_CONTROLS and odd >= CONTROLS_RATIO * len("".join(text.split()))


def joined(text: str) -> str:
    """The text with words in one piece.

    A hyphen stays next to a digit or a single letter, before a capital, in a compound that the text
    writes elsewhere, and beside words that compounds are made of.

    >>> joined("COVID\\x0219 data and exam\\x02ple words of 2019-\\r\\n2020, self\\x02made")
    'COVID-19 data and example words of 2019-2020, self-made'
    >>> joined("state-of-the\\x02art, a well\\ufffe\\r\\nknown e\\x02mail")
    'state-of-the-art, a well-known e-mail'
    """
    if not any(mark in text for mark in (*MARK, "-\n", "-\r")):
        return text
    compounds = {found.casefold() for found in _COMPOUND.findall(text)}
    words = set(re.findall(r"[^\W_]+", text.casefold()))

    def whole(found: re.Match[str]) -> str:
        before, after = found[1], found[2]
        keeps = _keeps_hyphen(before, after, compounds, words)
        return f"{before}-{after}" if keeps else before + after

    return _NUMBERS.sub(r"\1-\2", _PARTED.sub(whole, text))


def _keeps_hyphen(before: str, after: str, compounds: set[str], words: set[str]) -> bool:
    if not before or not after:
        return True
    if before[-1].isdigit() or after[0].isdigit() or 1 in (len(before), len(after)):
        return True
    left, right = before.casefold(), after.casefold()
    if f"{left}-{right}" in compounds or f"{left}{right}" in words:
        return f"{left}-{right}" in compounds
    if after[0].isupper() and not before.isupper():
        return True
    return left in _KEEPS_BEFORE or right in _KEEPS_AFTER


def _annotations(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> Iterator[str]:
    """A line for each form field that has a value and for each note, in the order of the file."""
    count = pdfium.FPDFPage_GetAnnotCount(page.raw)
    for index in range(min(count, MAX_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            line = _line(document, annotation)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
        if line:
            yield line


def _line(document: pypdfium2.PdfDocument, annotation: Handle) -> str:
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    if kind == pdfium.FPDF_ANNOT_WIDGET and document.formenv is not None:
        return _field(document.formenv.raw, annotation)
    if kind not in _MARKS:
        return ""
    text = _string(
        lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size)
    )
    return f"{_MARKS[kind]}{text}" if text else ""


def _field(form: Handle, annotation: Handle) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)

    def said(read: Callable[..., int]) -> str:
        return _string(lambda buffer, size: read(form, annotation, buffer, size))

    value = said(pdfium.FPDFAnnot_GetFormFieldValue) if kind in _FILLED | _CHECKED else ""
    if not value or (kind in _CHECKED and not pdfium.FPDFAnnot_IsChecked(form, annotation)):
        return ""
    if kind in _SHOWS_VALUE:  # else it would come twice
        pdfium.FPDFAnnot_SetFlags(annotation, pdfium.FPDF_ANNOT_FLAG_HIDDEN)
    name = said(pdfium.FPDFAnnot_GetFormFieldAlternateName)
    name = name or said(pdfium.FPDFAnnot_GetFormFieldName)
    return f"{name}: {value}" if name else value


def _string(read: Callable[[Any, int], int]) -> str:
    """A string of pdfium, which says its length in bytes first."""
    size = read(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    read(ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return " ".join(buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\0").split())
