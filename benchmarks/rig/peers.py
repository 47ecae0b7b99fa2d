"""The readers that ours are compared with: the bare libraries, and independent programs."""

import csv
import io
import subprocess
from pathlib import Path

import chardet
import docx
import openpyxl
import pypdfium2
import python_calamine
import trafilatura

from benchmarks.rig.sets import Unavailable

READ_S = 60


def pandoc_docx(path: Path) -> str:
    return _output(["pandoc", "-f", "docx", "-t", "plain", "--wrap=none", str(path)])


def pdftotext(path: Path) -> str:
    return _output(["pdftotext", "-q", "-enc", "UTF-8", str(path), "-"])


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=READ_S, check=True)
    except FileNotFoundError as error:
        raise Unavailable(f"there is no {command[0]} here") from error
    return done.stdout.decode("utf-8", "replace")


def python_docx(path: Path) -> str:
    document = docx.Document(str(path))
    cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    return "\n".join([*(each.text for each in document.paragraphs), *cells])


def openpyxl_values(path: Path) -> str:
    """As text, so far as both readers show it alike: numbers are left out."""
    workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    rows = (row for sheet in workbook.worksheets for row in sheet.iter_rows(values_only=True))
    return "\n".join(
        str(cell)
        for row in rows
        for cell in row
        if isinstance(cell, str | int) and not isinstance(cell, bool)
    )


def calamine(path: Path) -> str:
    workbook = python_calamine.load_workbook(str(path))
    rows = (
        row for name in workbook.sheet_names for row in workbook.get_sheet_by_name(name).to_python()
    )
    return "\n".join(str(cell) for row in rows for cell in row)


def pdfium(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def csv_sniffer(path: Path) -> str:
    """The standard library's sniffer, on UTF-8."""
    text = path.read_text("utf-8")
    rows = csv.reader(io.StringIO(text), csv.Sniffer().sniff(text[:65536]))
    return "\n".join(cell for row in rows for cell in row)


def plain_words(path: Path) -> str:
    """The text of a file in UTF-8, whatever its columns."""
    return path.read_text("utf-8")


def trafilatura_text(path: Path) -> str:
    return trafilatura.extract(path.read_bytes(), include_comments=False, include_tables=True) or ""


def chardet_text(content: bytes) -> str:
    name = chardet.detect(content)["encoding"] or "ascii"
    try:
        return content.decode(name, "replace")
    except LookupError:
        return ""
