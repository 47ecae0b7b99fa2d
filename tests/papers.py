"""Documents to process, good and bad, made when they are asked for."""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import docx
import openpyxl
import pypdf
import reportlab
from fontTools import ttLib
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas

from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    PasswordNeeded,
    UnsupportedFormat,
)

PRIVATE = 0xE000
"""Where code points without a meaning begin."""

SENTENCE = "The lighthouse keeper counts the ships that pass in the evening. "


def pdf_of(pages: int, *, lines: int = 30, text: str = SENTENCE) -> bytes:
    """A PDF whose pages have a bookmark each ten."""
    target = io.BytesIO()
    drawing = canvas.Canvas(target, invariant=True)
    for number in range(1, pages + 1):
        drawing.bookmarkPage(str(number))
        if number % 10 == 1:
            drawing.addOutlineEntry(f"Chapter {number // 10 + 1}", str(number), 0)
        for line in range(lines):
            drawing.drawString(50, 800 - 20 * line, f"Page {number}, line {line}. {text}")
        drawing.showPage()
    drawing.save()
    return target.getvalue()


def pdf_sideways(lines: Sequence[str]) -> bytes:
    """A PDF whose lines run from the bottom to the top."""
    target = io.BytesIO()
    drawing = canvas.Canvas(target, invariant=True)
    drawing.rotate(90)
    for number, line in enumerate(lines):
        drawing.drawString(50, -100 - 20 * number, line)
    drawing.save()
    return target.getvalue()


def pdf_with_button(caption: str) -> bytes:
    """A PDF of two lines with a button, whose caption is in its appearance alone."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_of(1, lines=2)))
    appearance = DecodedStreamObject()
    appearance.set_data(f"BT /F1 12 Tf 4 6 Td ({caption}) Tj ET".encode())
    name = NameObject
    font = {name("/Type"): name("/Font"), name("/Subtype"): name("/Type1")}
    font[name("/BaseFont")] = name("/Helvetica")
    fonts = DictionaryObject({name("/F1"): DictionaryObject(font)})
    appearance.update(
        {
            name("/Type"): name("/XObject"),
            name("/Subtype"): name("/Form"),
            name("/BBox"): ArrayObject(map(NumberObject, (0, 0, 120, 20))),
            name("/Resources"): DictionaryObject({name("/Font"): fonts}),
        }
    )
    button = DictionaryObject(
        {
            name("/Type"): name("/Annot"),
            name("/Subtype"): name("/Widget"),
            name("/FT"): name("/Btn"),
            name("/Ff"): NumberObject(1 << 16),
            name("/T"): TextStringObject("go"),
            name("/Rect"): ArrayObject(map(NumberObject, (50, 700, 170, 720))),
            name("/AP"): DictionaryObject({name("/N"): writer._add_object(appearance)}),
        }
    )
    widget = writer._add_object(button)
    writer.pages[0][name("/Annots")] = ArrayObject([widget])
    form = DictionaryObject({name("/Fields"): ArrayObject([widget])})
    writer.root_object[name("/AcroForm")] = form
    return _written(writer)


def pdf_without_letters(text: str) -> bytes:
    """A PDF that shows the text, in a font that does not say which letters its glyphs are."""
    font = ttLib.TTFont(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf")
    for table in font["cmap"].tables:
        if table.isUnicode():
            letters = dict(table.cmap)
            table.cmap = {PRIVATE + code: glyph for code, glyph in letters.items() if code < 128}
    renamed = io.BytesIO()
    font.save(renamed)
    renamed.seek(0)
    pdfmetrics.registerFont(TTFont("Nameless", renamed))
    target = io.BytesIO()
    drawing = canvas.Canvas(target, invariant=True)
    drawing.setFont("Nameless", 16)
    for number, line in enumerate(text.splitlines()):
        drawing.drawString(50, 780 - 24 * number, "".join(chr(PRIVATE + ord(one)) for one in line))
    drawing.save()
    writer = pypdf.PdfWriter(clone_from=target)
    for one in list(writer._objects):
        if isinstance(one, DictionaryObject):
            one.pop("/ToUnicode", None)
    return _written(writer)


def encrypted(content: bytes, *, user_password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(user_password, owner_password="owner", algorithm="AES-256")
    return _written(writer)


def _written(writer: pypdf.PdfWriter) -> bytes:
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def docx_of() -> bytes:
    document = docx.Document()
    document.add_heading("Handbook", 0)
    document.add_heading("Fruit", 1)
    document.add_paragraph("All about fruit.")
    for name in ("apple", "pear"):
        document.add_paragraph(name, style="List Bullet")
    table = document.add_table(2, 2)
    for position, text in enumerate(("Name", "Price", "Apple", "1.50")):
        table.cell(position // 2, position % 2).text = text
    document.add_heading("Bread", 1)
    document.add_paragraph("All about bread.")
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def xlsx_of(rows: int) -> bytes:
    workbook = openpyxl.Workbook()
    first = workbook.active
    assert first is not None
    first.title = "Prices"
    first.append(["Name", "Price"])
    for number in range(rows):
        first.append([f"Item {number}", number * 1.5])
    second = workbook.create_sheet("Notes")
    second["B3"] = "Only this"
    target = io.BytesIO()
    workbook.save(target)
    return target.getvalue()


def endless_paragraph() -> bytes:
    """A DOCX whose one paragraph has a million and a half runs, each an object of the reader."""
    runs = "".join(f"<w:r><w:t>{number}</w:t></w:r>" for number in range(1_500_000))
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = f'<w:document xmlns:w="{space}"><w:body><w:p>{runs}</w:p></w:body></w:document>'
    return zip_of(**{"word/document.xml": body.encode()})


def zip_of(**parts: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A document that cannot be read, and what is said of it."""

    make: Callable[[], bytes]
    name: str
    want: type[CeleriacError]
    message: str


def _bad(
    make: bytes | Callable[[], bytes], name: str, want: type[CeleriacError], message: str
) -> Bad:
    build = (lambda: make) if isinstance(make, bytes) else make
    return Bad(make=build, name=name, want=want, message=message)


def bomb() -> bytes:
    return zip_of(**{"[Content_Types].xml": b"<x/>", "word/document.xml": bytes(200 * 1024**2)})


def entities() -> bytes:
    declaration = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "lol">]><d>&a;</d>'
    return zip_of(**{"[Content_Types].xml": b"<x/>", "word/document.xml": declaration})


def far_entities(encoding: str = "utf-8") -> bytes:
    """A document type behind a comment of 100 kB."""
    comment = f"<!--{'x' * 100_000}-->"
    declaration = '<!DOCTYPE d [<!ENTITY a "lol">]><d>&a;</d>'
    content = f'<?xml version="1.0" encoding="{encoding}"?>{comment}{declaration}'.encode(encoding)
    return zip_of(**{"[Content_Types].xml": b"<x/>", "word/document.xml": content})


OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)
ENCRYPTED_WORD = OLD_WORD + "EncryptedPackage".encode("utf-16-le")

BAD: dict[str, Bad] = {
    "an empty file": _bad(b"", "a.pdf", InvalidInput, "empty"),
    "a blank file": _bad(b" \n\t\n", "a.txt", InvalidInput, "empty"),
    "a PDF cut off": _bad(lambda: pdf_of(5)[:-2000], "a.pdf", InvalidInput, "end is missing"),
    "the begin of a PDF": _bad(b"%PDF-1.7\n%%EOF", "a.pdf", InvalidInput, "damaged"),
    "an encrypted PDF": _bad(
        lambda: encrypted(pdf_of(1), user_password="secret"),
        "a.pdf",
        PasswordNeeded,
        "without a password",
    ),
    "a PDF without text": _bad(lambda: pdf_of(2, lines=0), "a.pdf", InvalidInput, "no text"),
    "a DOCX that is a bomb": _bad(bomb, "a.docx", LimitExceeded, "bomb"),
    "a DOCX with entities": _bad(entities, "a.docx", InvalidInput, "document type"),
    "a DOCX with entities far away": _bad(far_entities, "a.docx", InvalidInput, "document type"),
    "a DOCX with entities in UTF-16": _bad(
        lambda: far_entities("utf-16"), "a.docx", InvalidInput, "document type"
    ),
    "a DOCX with entities in UTF-32": _bad(
        lambda: far_entities("utf-32"), "a.docx", InvalidInput, "document type"
    ),
    "a DOCX with entities in GBK": _bad(
        lambda: far_entities("gbk"), "a.docx", InvalidInput, "document type"
    ),
    "a DOCX cut off": _bad(lambda: docx_of()[:-500], "a.docx", InvalidInput, "damaged"),
    "a workbook cut off": _bad(lambda: xlsx_of(5)[:-500], "a.xlsx", InvalidInput, "damaged"),
    "a DOCX of rubbish": _bad(
        lambda: zip_of(**{"word/document.xml": b"<x/>"}), "a.docx", InvalidInput, "damaged"
    ),
    "a workbook of rubbish": _bad(
        lambda: zip_of(**{"xl/workbook.xml": b"<x"}), "a.xlsx", InvalidInput, "damaged"
    ),
    "a DOC": _bad(OLD_WORD, "a.doc", UnsupportedFormat, "before 2007"),
    "an encrypted DOCX": _bad(ENCRYPTED_WORD, "a.docx", PasswordNeeded, "without a password"),
    "a ZIP archive": _bad(lambda: zip_of(a=b"b"), "a.zip", UnsupportedFormat, "a ZIP archive"),
    "a picture": _bad(b"\x89PNG\r\n\x1a\n" + bytes(99), "a.pdf", UnsupportedFormat, "a PNG"),
    "a page": _bad(b"<!DOCTYPE html><p>Hi", "a.txt", UnsupportedFormat, "HTML"),
    "binary noise": _bad(bytes(range(256)) * 20, "a.txt", UnsupportedFormat, "binary"),
    "a quote never closed": _bad(
        lambda: b'a,b\n"' + b"x" * 1_100_000, "a.csv", InvalidInput, "no CSV"
    ),
}
