"""Documents of every kind, good and bad, through the real reader in its child process."""

import io
import zipfile
from pathlib import Path

import docx
import openpyxl
import pypdf
import pytest
from reportlab.pdfgen import canvas

from app.errors import (
    Cancelled,
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PasswordNeeded,
    UnsupportedFormat,
)
from app.pipelines.document import process
from app.pipelines.document.schema import DocumentParams, Processed
from app.storage.sources import SourceStatus
from tests.integration.pipelines.desk import Desk, OpenDesk

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


def encrypted(content: bytes, *, user_password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(user_password, owner_password="owner", algorithm="AES-256")
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


def sparse_workbook() -> bytes:
    """Two cells as far apart as can be: 17 milliard cells for whoever fills the space between."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet["A1"], sheet["XFD1048576"] = "here", "there"
    target = io.BytesIO()
    workbook.save(target)
    return target.getvalue()


def zip_of(**parts: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def processed(desk: Desk, content: bytes, name: str, **params: str) -> Processed:
    """Upload the file and process it, for the bot `bot`."""
    upload = desk.directory.parent / "upload"
    upload.write_bytes(content)
    kept = desk.platform.uploads.add(upload, filename=name, media_type="application/octet-stream")
    upload.unlink()
    values = {"upload_id": kept.id, "chatbot_id": "bot", "source_id": "s", **params}
    return process.process(DocumentParams.model_validate(values), desk)


def texts(desk: Desk) -> str:
    return "\n".join(chunk.text for chunk in desk.platform.chunks.of_source("s"))


def test_a_pdf_is_read_page_by_page(open_desk: OpenDesk) -> None:
    desk = open_desk()
    result = processed(desk, pdf_of(12), "book.pdf")
    chunks = desk.platform.chunks.of_source("s")
    assert result.model_extra == {"format": "pdf", "pages": 12, "pages_without_text": 0}
    assert (result.chunks, result.tokens) == (len(chunks), sum(chunk.tokens for chunk in chunks))
    assert max(chunk.tokens for chunk in chunks) <= 512
    assert chunks[0].metadata == {"headings": ["Chapter 1"], "pages": [1, 1]}
    assert chunks[-1].metadata == {"headings": ["Chapter 2"], "pages": [12, 12]}
    lines = [f"Page {page}, line {line}." for page in (1, 7, 12) for line in (0, 29)]
    assert [line for line in lines if line not in texts(desk)] == []


def test_a_docx_keeps_headings_lists_and_tables(open_desk: OpenDesk) -> None:
    desk = open_desk(CELERIAC_CHUNK_TOKENS="16", CELERIAC_CHUNK_OVERLAP_TOKENS="0")
    result = processed(desk, docx_of(), "handbook.docx")
    found = [(chunk.text, chunk.metadata) for chunk in desk.platform.chunks.of_source("s")]
    assert result.model_extra == {"format": "docx", "tables": 1}
    assert ("Bread\n\nAll about bread.", {"headings": ["Handbook", "Bread"]}) in found
    assert "- apple\n- pear" in texts(desk)
    assert "Name | Price\nName: Apple; Price: 1.50" in texts(desk)


def test_a_workbook_keeps_sheets_and_rows(open_desk: OpenDesk) -> None:
    desk = open_desk()
    result = processed(desk, xlsx_of(2000), "prices.xlsx")
    chunks = desk.platform.chunks.of_source("s")
    assert result.model_extra == {"format": "xlsx", "sheets": ["Prices", "Notes"], "rows": 2002}
    assert "Name: Item 7; Price: 10.5" in chunks[0].text
    assert (chunks[0].metadata["sheet"], chunks[0].metadata["rows"][0]) == ("Prices", 1)
    assert (chunks[-1].text, chunks[-1].metadata) == (
        "Only this",
        {"headings": ["Notes"], "sheet": "Notes", "rows": [3, 3]},
    )


UMLAUTS = "Größe;Preis\nfünf;5 €\n"


@pytest.mark.parametrize(
    ("content", "name", "want"),
    [
        pytest.param(UMLAUTS.encode("cp1252"), "a.csv", "Größe: fünf; Preis: 5 €", id="cp1252"),
        pytest.param(UMLAUTS.encode(), "a.csv", "Größe: fünf; Preis: 5 €", id="UTF-8"),
        pytest.param(UMLAUTS.encode("utf-8-sig"), "a.csv", "Größe: fünf", id="UTF-8 with mark"),
        pytest.param(UMLAUTS.encode("utf-16"), "a.csv", "Größe: fünf; Preis: 5 €", id="UTF-16"),
        pytest.param(b"a,b\n1,2\n", "a.csv", "a: 1; b: 2", id="commas"),
        pytest.param(b"a\tb\n1\t2\n", "a.tsv", "a: 1; b: 2", id="tabs"),
        pytest.param(b'a,b\n"x\ny",2\n', "a.csv", "a: x y; b: 2", id="a line end in quotes"),
        pytest.param("Häuser".encode("cp1252"), "a.txt", "Häuser", id="text in cp1252"),
        pytest.param(b"# One\n\ntext", "a.md", "# One\n\ntext", id="Markdown"),
        pytest.param(b"plain words", "a.unknown", "plain words", id="text of unknown name"),
        pytest.param(b"no suffix", "README", "no suffix", id="text without a suffix"),
    ],
)
def test_text_of_any_encoding_and_shape_is_read(
    open_desk: OpenDesk, content: bytes, name: str, want: str
) -> None:
    desk = open_desk()
    processed(desk, content, name)
    assert want in texts(desk)


@pytest.mark.parametrize(
    ("content", "name", "format_"),
    [
        pytest.param(docx_of(), "report.pdf", "docx", id="a DOCX called PDF"),
        pytest.param(pdf_of(1), "report.docx", "pdf", id="a PDF called DOCX"),
        pytest.param(xlsx_of(1), "report.csv", "xlsx", id="a workbook called CSV"),
        pytest.param(b"a;b\n1;2\n", "export.xlsx", "csv", id="a CSV called XLSX"),
        pytest.param(b"only words", "letter.docx", "text", id="text called DOCX"),
    ],
)
def test_a_wrong_extension_does_not_matter(
    open_desk: OpenDesk, content: bytes, name: str, format_: str
) -> None:
    result = processed(open_desk(), content, name)
    assert (result.model_extra or {})["format"] == format_


BOMB = zip_of(**{"[Content_Types].xml": b"<x/>", "word/document.xml": bytes(200 * 1024 * 1024)})
ENTITIES = zip_of(
    **{
        "[Content_Types].xml": b"<x/>",
        "word/document.xml": b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "lol">]><d>&a;</d>',
    }
)
DOCX_OF_RUBBISH = zip_of(**{"word/document.xml": b"<x/>"})
WORKBOOK_OF_RUBBISH = zip_of(**{"xl/workbook.xml": b"<x"})
OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)
ENCRYPTED_WORD = OLD_WORD + "EncryptedPackage".encode("utf-16-le")

BAD: dict[str, tuple[bytes, str, type[CeleriacError], str]] = {
    "an empty file": (b"", "a.pdf", InvalidInput, "empty"),
    "a blank file": (b" \n\t\n", "a.txt", InvalidInput, "empty"),
    "a PDF cut off": (pdf_of(5)[:-2000], "a.pdf", InvalidInput, "end is missing"),
    "the begin of a PDF": (b"%PDF-1.7\n%%EOF", "a.pdf", InvalidInput, "damaged"),
    "an encrypted PDF": (
        encrypted(pdf_of(1), user_password="secret"), "a.pdf", PasswordNeeded, "without a password",
    ),
    "a PDF without text": (pdf_of(2, lines=0), "a.pdf", InvalidInput, "no text"),
    "a DOCX that is a bomb": (BOMB, "a.docx", LimitExceeded, "bomb"),
    "a DOCX with entities": (ENTITIES, "a.docx", InvalidInput, "document type"),
    "a DOCX cut off": (docx_of()[:-500], "a.docx", InvalidInput, "damaged"),
    "a workbook cut off": (xlsx_of(5)[:-500], "a.xlsx", InvalidInput, "damaged"),
    "a DOCX of rubbish": (DOCX_OF_RUBBISH, "a.docx", InvalidInput, "damaged"),
    "a workbook of rubbish": (WORKBOOK_OF_RUBBISH, "a.xlsx", InvalidInput, "damaged"),
    "a DOC": (OLD_WORD, "a.doc", UnsupportedFormat, "before 2007"),
    "an encrypted DOCX": (ENCRYPTED_WORD, "a.docx", PasswordNeeded, "without a password"),
    "a ZIP archive": (zip_of(a=b"b"), "a.zip", UnsupportedFormat, "a ZIP archive"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "a.pdf", UnsupportedFormat, "a PNG picture"),
    "a page": (b"<!DOCTYPE html><p>Hi", "a.txt", UnsupportedFormat, "HTML"),
    "binary noise": (bytes(range(256)) * 20, "a.txt", UnsupportedFormat, "binary"),
    "a quote never closed": (b'a,b\n"' + b"x" * 1_100_000, "a.csv", InvalidInput, "no CSV"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "name", "want", "message"), BAD.values(), ids=BAD)
def test_each_bad_document_has_its_error(
    open_desk: OpenDesk, content: bytes, name: str, want: type[CeleriacError], message: str
) -> None:
    desk = open_desk()
    with pytest.raises(CeleriacError, match=message) as raised:
        processed(desk, content, name)
    source = desk.platform.sources.get("s")
    assert type(raised.value) is want
    assert (source.status, source.error) == (SourceStatus.FAILED, str(raised.value))
    assert desk.platform.chunks.count(source_id="s") == 0


def test_a_pdf_with_an_owner_password_only_can_be_read(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, encrypted(pdf_of(1), user_password=""), "a.pdf")
    assert "lighthouse" in texts(desk)


@pytest.mark.parametrize(
    ("setting", "value", "content", "name"),
    [
        ("CELERIAC_DOCUMENT_PAGES", "3", pdf_of(4), "a.pdf"),
        ("CELERIAC_DOCUMENT_CHARACTERS", "1000", SENTENCE.encode() * 100, "a.txt"),
        ("CELERIAC_DOCUMENT_MEMORY_BYTES", str(512 * 1024**2), sparse_workbook(), "a.xlsx"),
        ("CELERIAC_DOCUMENT_TIME_S", "1", b"word " * 12_000_000, "a.txt"),
    ],
    ids=["pages", "characters", "memory", "time"],
)
def test_each_limit_holds(
    open_desk: OpenDesk, setting: str, value: str, content: bytes, name: str
) -> None:
    with pytest.raises(LimitExceeded):
        processed(open_desk(**{setting: value}), content, name)


def test_progress_rises_page_by_page(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, pdf_of(200), "a.pdf")
    assert desk.percents == sorted(desk.percents)
    assert (desk.percents[0], desk.percents[-1]) == (0, 100)
    assert any(said.message.startswith("reading page ") for said in desk.said)


def test_cancel_leaves_the_chunks_from_before(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, b"the first edition", "a.txt")
    desk.stop_when = lambda said: said.message.startswith("storing")
    with pytest.raises(Cancelled):
        processed(desk, pdf_of(20), "a.pdf")
    assert texts(desk) == "the first edition"
    assert desk.platform.sources.get("s").status is SourceStatus.PROCESSING


def test_doing_it_again_keeps_the_ids(open_desk: OpenDesk) -> None:
    desk = open_desk()
    first = processed(desk, pdf_of(20), "a.pdf")
    before = desk.platform.chunks.of_source("s")
    second = processed(desk, pdf_of(20), "a.pdf")
    assert (first, before) == (second, desk.platform.chunks.of_source("s"))


def test_a_shorter_edition_leaves_nothing_of_the_longer_one(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, pdf_of(20), "a.pdf")
    processed(desk, b"only this", "a.txt")
    assert texts(desk) == "only this"


def test_a_file_path_is_read_from_the_storage_folder(open_desk: OpenDesk, tmp_path: Path) -> None:
    desk = open_desk()
    (tmp_path / "storage" / "uploads").mkdir(parents=True)
    file = tmp_path / "storage" / "uploads" / "letter.txt"
    file.write_text("Dear reader")
    for path in (str(file), "uploads/letter.txt"):
        params = DocumentParams(chatbot_id="bot", file_path=path, source_id="s")
        assert process.process(params, desk).filename == "letter.txt"
    assert texts(desk) == "Dear reader"


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.txt", "uploads/../../secret.txt"])
def test_a_file_path_does_not_lead_outside(open_desk: OpenDesk, tmp_path: Path, path: str) -> None:
    desk = open_desk()
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(InvalidInput, match="outside"):
        process.process(DocumentParams(chatbot_id="bot", file_path=path), desk)


def test_a_link_in_the_storage_folder_does_not_lead_outside(
    open_desk: OpenDesk, tmp_path: Path
) -> None:
    desk = open_desk()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "storage").mkdir(exist_ok=True)
    (tmp_path / "storage" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InvalidInput, match="outside"):
        process.process(DocumentParams(chatbot_id="bot", file_path="link.txt"), desk)


@pytest.mark.parametrize("params", [{"upload_id": "gone"}, {"file_path": "gone.txt"}])
def test_a_file_that_is_not_there_is_not_found(open_desk: OpenDesk, params: dict[str, str]) -> None:
    with pytest.raises(NotFound):
        process.process(DocumentParams.model_validate({"chatbot_id": "bot", **params}), open_desk())


def test_the_source_of_another_bot_is_left_alone(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, b"mine", "a.txt")
    with pytest.raises(InvalidInput, match="another bot"):
        processed(desk, b"theirs", "a.txt", chatbot_id="thief")
    assert (texts(desk), desk.platform.sources.get("s").chatbot_id) == ("mine", "bot")
