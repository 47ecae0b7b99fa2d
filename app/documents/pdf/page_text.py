"""What people have filled into a PDF and written on it: values of form fields, notes."""

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

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

Handle = Any  # a pointer of pdfium


def of_page(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> Iterator[str]:
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
    if kind in _CHECKED and not pdfium.FPDFAnnot_IsChecked(form, annotation):
        return ""
    name = said(pdfium.FPDFAnnot_GetFormFieldAlternateName)
    name = name or said(pdfium.FPDFAnnot_GetFormFieldName)
    return f"{name}: {value}" if value and name else value


def _string(read: Callable[[Any, int], int]) -> str:
    """A string of pdfium, which says its length in bytes first."""
    size = read(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    read(ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return " ".join(buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\0").split())
