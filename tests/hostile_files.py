"""Files that attack their reader: by size, by depth, by lies about themselves, by what they name.

Each may be read or refused. What may not happen is in `test_hostile_files`.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable

from tests import papers
from tests.pdfs import CATALOGUE, ONE_PAGE, raw, stream

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HIDDEN = "file:///etc/passwd"
"""What some of them name, and no result may contain."""


def changed(document: bytes, parts: dict[str, bytes]) -> bytes:
    """An Office document with these parts in the place of its own, or beside them."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(document)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in source.namelist():
            if name not in parts:
                archive.writestr(name, source.read(name))
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def word(body: str) -> bytes:
    """A DOCX with this body."""
    text = f"<w:document {W} {R}><w:body>{body}</w:body></w:document>"
    return changed(papers.docx_of(), {"word/document.xml": text.encode("utf-8", "surrogatepass")})


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def related(target: str, kind: str) -> bytes:
    """A DOCX with a relationship that leads out of it."""
    relation = (
        f'<Relationship Id="x" Type="{OFFICE}/{kind}" Target="{target}" TargetMode="External"/>'
    )
    rels = f'<Relationships xmlns="{RELS}">{relation}</Relationships>'
    body = paragraph("words") + '<w:altChunk r:id="x"/>'
    text = f"<w:document {W} {R}><w:body>{body}</w:body></w:document>"
    parts = {"word/document.xml": text.encode(), "word/_rels/document.xml.rels": rels.encode()}
    return changed(papers.docx_of(), parts)


def sheet(rows: str, *, head: str = "", tail: str = "") -> bytes:
    """A workbook whose first sheet has these rows."""
    text = f"<worksheet {S}>{head}<sheetData>{rows}</sheetData>{tail}</worksheet>"
    return changed(papers.xlsx_of(2), {"xl/worksheets/sheet1.xml": text.encode()})


def named(names: Iterable[str]) -> bytes:
    """A DOCX that also holds files of these names."""
    return changed(papers.docx_of(), {name: b"evil" for name in names})


def lying() -> bytes:
    """A DOCX whose directory says that a part is a tenth as long as it is."""
    content = bytearray(papers.docx_of())
    at = content.index(b"PK\x01\x02")
    size = struct.unpack_from("<I", content, at + 24)[0]
    struct.pack_into("<I", content, at + 24, size // 10)
    return bytes(content)


def damaged_checksum() -> bytes:
    content = bytearray(papers.docx_of())
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 16, 0xDEADBEEF)
    return bytes(content)


def pdf_page(content: bytes, *more: bytes, extra: bytes = b"") -> bytes:
    """A PDF of one page that draws this."""
    page = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R" + extra + b">>"
    return raw(CATALOGUE, ONE_PAGE, page, stream(content), *more)


def tiling(step: bytes) -> bytes:
    """A page that is filled with a pattern of tiny tiles."""
    pattern = (
        b"/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /Resources <<>>"
        b" /XStep " + step + b" /YStep " + step
    )
    return pdf_page(
        b"/Pattern cs /P scn 0 0 600 800 re f BT ET",
        stream(b"0 0 1 1 re f\n" * 50, pattern),
        extra=b" /Resources <</Pattern <</P 5 0 R>>>>",
    )


def recursive_form() -> bytes:
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources <</XObject <</F 5 0 R>>>>"
    return pdf_page(
        b"/F Do /F Do", stream(b"/F Do /F Do", form), extra=b" /Resources <</XObject <</F 5 0 R>>>>"
    )


def page_cycle() -> bytes:
    return raw(CATALOGUE, b"<</Type /Pages /Kids [2 0 R 2 0 R] /Count 2>>")


def deflated_bomb() -> bytes:
    """A page whose content is 400 MB of blanks in 400 kB."""
    packed = zlib.compress(b" " * (400 * 1024**2), 9)
    return pdf_page(b"", stream(packed, b"/Filter /FlateDecode"), extra=b"").replace(
        b"/Contents 4 0 R", b"/Contents 5 0 R"
    )


def acting(action: bytes) -> bytes:
    """A PDF that wants something done when it is opened."""
    catalogue = b"<</Type /Catalog /Pages 2 0 R /OpenAction " + action + b">>"
    page = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800]>>"
    return raw(catalogue, ONE_PAGE, page)


DEEP = 20_000
ROW = '<row r="1"><c r="A1" t="inlineStr"><is><t>words</t></is></c></row>'

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    # archives
    "names that lead out": (
        lambda: named(["../../evil", "/etc/evil", "a/../../../evil"]),
        "a.docx",
    ),
    "names of another system": (lambda: named(["..\\..\\evil", "C:\\evil", "a\0b"]), "a.docx"),
    "sixty thousand parts": (lambda: named(f"x/{n}" for n in range(60_000)), "a.docx"),
    "a length that is a lie": (lying, "a.docx"),
    "a checksum that is a lie": (damaged_checksum, "a.docx"),
    "an archive in an archive": (
        lambda: papers.zip_of(**{"word/document.xml": papers.docx_of()}),
        "a.docx",
    ),
    "a document behind a picture": (lambda: b"\x89PNG\r\n\x1a\n" + papers.docx_of(), "a.docx"),
    # Word
    "elements in elements": (lambda: word("<w:sdt>" * DEEP + "</w:sdt>" * DEEP), "a.docx"),
    "tables in tables": (
        lambda: word("<w:tbl><w:tr><w:tc>" * 2_000 + "</w:tc></w:tr></w:tbl>" * 2_000),
        "a.docx",
    ),
    "a table of merged cells": (
        lambda: word(
            "<w:tbl>"
            + ("<w:tr>" + "<w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>" * 60 + "</w:tr>") * 800
            + "</w:tbl>"
        ),
        "a.docx",
    ),
    "a million attributes": (
        lambda: word("<w:p " + " ".join(f'a{n}="1"' for n in range(100_000)) + "/>"),
        "a.docx",
    ),
    "half a character": (lambda: word(paragraph("\ud800")), "a.docx"),
    "no XML any more": (lambda: word("<w:p><w:r></w:p>"), "a.docx"),
    "another encoding than it says": (
        lambda: changed(
            papers.docx_of(),
            {"word/document.xml": b'<?xml version="1.0" encoding="utf-16"?><a/>'},
        ),
        "a.docx",
    ),
    "text from elsewhere": (lambda: related(HIDDEN, "aFChunk"), "a.docx"),
    "a template from elsewhere": (
        lambda: related("http://127.0.0.1:1/t.dotm", "attachedTemplate"),
        "a.docx",
    ),
    "a part outside of the file": (lambda: related("../../../etc/passwd", "aFChunk"), "a.docx"),
    "a field that runs a program": (
        lambda: word('<w:p><w:fldSimple w:instr="DDEAUTO cmd /c calc"><w:r/></w:fldSimple></w:p>'),
        "a.docx",
    ),
    # workbooks
    "a cell at the end of the sheet": (
        lambda: sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        "a.xlsx",
    ),
    "a size that is a lie": (
        lambda: sheet(ROW, head='<dimension ref="A1:XFD1048576"/>'),
        "a.xlsx",
    ),
    "merged cells without end": (
        lambda: sheet(ROW, tail='<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'),
        "a.xlsx",
    ),
    "a text that is not there": (
        lambda: sheet('<row r="1"><c r="A1" t="s"><v>999999999</v></c></row>'),
        "a.xlsx",
    ),
    "a style that is not there": (
        lambda: sheet('<row r="1"><c r="A1" s="999999"><v>1</v></c></row>'),
        "a.xlsx",
    ),
    "dates out of time": (
        lambda: sheet('<row r="1"><c r="A1" s="1"><v>1e300</v></c><c r="B1"><v>-1e9</v></c></row>'),
        "a.xlsx",
    ),
    "a formula that fetches": (
        lambda: sheet(f'<row r="1"><c r="A1"><f>WEBSERVICE("{HIDDEN}")</f></c></row>' + ROW),
        "a.xlsx",
    ),
    "rows without order": (
        lambda: sheet("".join(f'<row r="{n}"/>' for n in range(200_000, 0, -1)) + ROW),
        "a.xlsx",
    ),
    # text and tables
    "one line of a megabyte": (lambda: b"word" * 250_000, "a.txt"),
    "half a million lines": (lambda: b"\n".join([b"a"] * 500_000), "a.txt"),
    "marks without letters": (lambda: ("a" + "\u0301" * 100_000).encode(), "a.txt"),
    "text from right to left": (lambda: ("\u202e" * 1_000 + "exe.txt\n").encode(), "a.txt"),
    "halves of characters": (lambda: b"\xff\xfe" + b"\x00\xd8" * 50_000, "a.txt"),
    "every byte but one": (lambda: bytes(range(1, 256)) * 4_000, "a.txt"),
    "a hundred thousand columns": (lambda: b",".join([b"x"] * 100_000) + b"\n1\n", "a.csv"),
    "quotes in quotes": (lambda: b"a,b\n" + b'"""' * 300_000, "a.csv"),
    "cells that are formulas": (lambda: b"name,price\n=cmd|' /C calc'!A0,@SUM(1)\n" * 50, "a.csv"),
    # PDF
    "a pattern of tiny tiles": (lambda: tiling(b"0.001"), "a.pdf"),
    "a pattern without a step": (lambda: tiling(b"0"), "a.pdf"),
    "a form in itself": (recursive_form, "a.pdf"),
    "pages in themselves": (page_cycle, "a.pdf"),
    "blanks without end": (deflated_bomb, "a.pdf"),
    "a page of a kilometre": (
        lambda: pdf_page(b"").replace(b"[0 0 600 800]", b"[0 0 9e9 9e9]"),
        "a.pdf",
    ),
    "operators without end": (lambda: pdf_page(b"q " * 500_000), "a.pdf"),
    "arrays in arrays": (lambda: pdf_page(b"[" * 100_000), "a.pdf"),
    "a script": (lambda: acting(b"<</S /JavaScript /JS (app.alert\\(1\\))>>"), "a.pdf"),
    "a program to start": (lambda: acting(b"<</S /Launch /F (/bin/sh)>>"), "a.pdf"),
    "a file to fetch": (lambda: acting(b"<</S /GoToR /F (/etc/passwd) /D [0 /Fit]>>"), "a.pdf"),
    "a count that is a lie": (
        lambda: papers.pdf_of(1).replace(b"/Count 1", b"/Count -9"),
        "a.pdf",
    ),
}
