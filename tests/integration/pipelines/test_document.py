"""Documents of every kind, good and bad, through the real reader in its child process."""

import io
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import (
    Cancelled,
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    StorageUnavailable,
)
from app.pipelines import source_progress
from app.pipelines.document import process
from app.pipelines.document.schema import DocumentParams, Processed
from app.storage.sources import SourceStatus
from tests import papers
from tests.integration.pipelines.desk import Desk, OpenDesk
from tests.papers import Bad
from tests.unit.jobs import build


def processed(desk: Desk, content: bytes, name: str, **params: str) -> Processed:
    """Upload the file and process it, for the bot `bot`."""
    upload = desk.directory.parent / "upload"
    upload.write_bytes(content)
    kept = desk.stores.uploads.add(upload, filename=name, media_type="application/octet-stream")
    upload.unlink()
    values = {"upload_id": kept.id, "chatbot_id": "bot", "source_id": "s", **params}
    return process.process(DocumentParams.model_validate(values), desk)


def texts(desk: Desk) -> str:
    return "\n".join(chunk.text for chunk in desk.stores.chunks.of_source("s"))


def test_a_pdf_is_read_page_by_page(open_desk: OpenDesk) -> None:
    desk = open_desk()
    result = processed(desk, papers.pdf_of(12), "book.pdf")
    chunks = desk.stores.chunks.of_source("s")
    assert result.model_extra == {"format": "pdf", "pages": 12, "pages_without_text": 0}
    assert (result.chunks, result.tokens) == (len(chunks), sum(chunk.tokens for chunk in chunks))
    assert max(chunk.tokens for chunk in chunks) <= 512
    assert chunks[0].metadata == {"headings": ["Chapter 1"], "pages": [1, 1]}
    assert chunks[-1].metadata == {"headings": ["Chapter 2"], "pages": [12, 12]}
    lines = [f"Page {page}, line {line}." for page in (1, 7, 12) for line in (0, 29)]
    assert [line for line in lines if line not in texts(desk)] == []


def test_a_docx_keeps_headings_lists_and_tables(open_desk: OpenDesk) -> None:
    desk = open_desk(CELERIAC_CHUNK_TOKENS="16", CELERIAC_CHUNK_OVERLAP_TOKENS="0")
    result = processed(desk, papers.docx_of(), "handbook.docx")
    found = [(chunk.text, chunk.metadata) for chunk in desk.stores.chunks.of_source("s")]
    assert result.model_extra == {"format": "docx", "tables": 1}
    assert ("Bread\n\nAll about bread.", {"headings": ["Handbook", "Bread"]}) in found
    assert "- apple\n- pear" in texts(desk)
    assert "Name | Price\nName: Apple; Price: 1.50" in texts(desk)


def test_a_workbook_keeps_sheets_and_rows(open_desk: OpenDesk) -> None:
    desk = open_desk()
    result = processed(desk, papers.xlsx_of(2000), "prices.xlsx")
    chunks = desk.stores.chunks.of_source("s")
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
    ("make", "name", "want"),
    [
        pytest.param(papers.docx_of, "report.pdf", "docx", id="a DOCX called PDF"),
        pytest.param(lambda: papers.pdf_of(1), "report.docx", "pdf", id="a PDF called DOCX"),
        pytest.param(lambda: papers.xlsx_of(1), "report.csv", "xlsx", id="a workbook called CSV"),
        pytest.param(lambda: b"a;b\n1;2\n", "export.xlsx", "csv", id="a CSV called XLSX"),
        pytest.param(lambda: b"only words", "letter.docx", "text", id="text called DOCX"),
    ],
)
def test_a_wrong_extension_does_not_matter(
    open_desk: OpenDesk, make: Callable[[], bytes], name: str, want: str
) -> None:
    result = processed(open_desk(), make(), name)
    assert (result.model_extra or {})["format"] == want


@pytest.mark.parametrize("bad", papers.BAD.values(), ids=papers.BAD)
def test_each_bad_document_has_its_error(open_desk: OpenDesk, bad: Bad) -> None:
    desk = open_desk()
    with pytest.raises(CeleriacError, match=bad.message) as raised:
        processed(desk, bad.make(), bad.name)
    source = desk.stores.sources.get("s")
    assert type(raised.value) is bad.want
    assert (source.status, source.error) == (SourceStatus.FAILED, str(raised.value))
    assert desk.stores.chunks.count(source_id="s") == 0


def test_a_pdf_with_an_owner_password_only_can_be_read(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, papers.encrypted(papers.pdf_of(1), user_password=""), "a.pdf")
    assert "lighthouse" in texts(desk)


@pytest.mark.parametrize(
    ("setting", "value", "make", "name"),
    [
        ("CELERIAC_DOCUMENT_PAGES", "3", lambda: papers.pdf_of(4), "a.pdf"),
        ("CELERIAC_DOCUMENT_CHARACTERS", "1000", lambda: b"word " * 1000, "a.txt"),
        ("CELERIAC_DOCUMENT_MEMORY_BYTES", str(320 * 1024**2), papers.endless_paragraph, "a.docx"),
        ("CELERIAC_DOCUMENT_TIME_S", "1", lambda: b"word " * 12_000_000, "a.txt"),
    ],
    ids=["pages", "characters", "memory", "time"],
)
def test_each_limit_holds(
    open_desk: OpenDesk, setting: str, value: str, make: Callable[[], bytes], name: str
) -> None:
    with pytest.raises(LimitExceeded):
        processed(open_desk(**{setting: value}), make(), name)


def test_progress_rises_page_by_page(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, papers.pdf_of(60), "a.pdf")
    assert desk.percents == sorted(desk.percents)
    assert (desk.percents[0], desk.percents[-1]) == (0, 100)
    assert any(said.message.startswith("reading page ") for said in desk.said)


def test_cancel_leaves_the_chunks_from_before(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, b"the first edition", "a.txt")
    desk.stop_when = lambda said: said.message.startswith("storing")
    with pytest.raises(Cancelled):
        processed(desk, papers.pdf_of(20), "a.pdf")
    assert texts(desk) == "the first edition"
    assert desk.stores.sources.get("s").status is SourceStatus.PROCESSING


@pytest.mark.parametrize(
    ("attempt", "want"), [(1, SourceStatus.PROCESSING), (4, SourceStatus.FAILED)]
)
def test_the_last_attempt_of_a_plain_call_marks_the_source(
    open_desk: OpenDesk, attempt: int, want: SourceStatus
) -> None:
    desk = replace(open_desk(), attempt=attempt)
    (desk.directory / "chunks.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageUnavailable):
        processed(desk, papers.pdf_of(20), "a.pdf")
    assert desk.stores.sources.get("s").status is want


@pytest.mark.parametrize(
    ("owner", "want"),
    [
        pytest.param("another", SourceStatus.PROCESSING, id="another job has it by now"),
        pytest.param("own", SourceStatus.FAILED, id="its own"),
        pytest.param(None, SourceStatus.FAILED, id="nobody has noted whose it is"),
    ],
)
def test_an_abandoned_job_marks_its_own_source(
    open_desk: OpenDesk, owner: str | None, want: SourceStatus
) -> None:
    desk = open_desk()
    desk.stores.sources.create(chatbot_id="bot", filename="a", source_id="s", job_id=owner)
    source_progress.abandon(build.job(id="own", params={"source_id": "s"}), desk)
    assert desk.stores.sources.get("s").status is want


def test_a_sheet_with_an_endless_name_does_not_fill_the_store(
    open_desk: OpenDesk, tmp_path: Path
) -> None:
    desk = open_desk()
    name = random.Random(1).randbytes(1_000_000).hex()  # nothing that looks like a ZIP bomb
    renamed = tmp_path / "renamed.xlsx"
    with (
        zipfile.ZipFile(io.BytesIO(papers.xlsx_of(5))) as book,
        zipfile.ZipFile(renamed, "w", zipfile.ZIP_DEFLATED) as changed,
    ):
        for part in book.namelist():
            content = re.sub(
                rb'(<sheet [^>]*name=")[^"]*', rb"\g<1>" + name.encode(), book.read(part)
            )
            changed.writestr(part, content)
    processed(desk, renamed.read_bytes(), "a.xlsx")
    assert {len(chunk.metadata["sheet"]) for chunk in desk.stores.chunks.of_source("s")} == {100}


def test_doing_it_again_keeps_the_ids(open_desk: OpenDesk) -> None:
    desk = open_desk()
    first = processed(desk, papers.pdf_of(20), "a.pdf")
    before = desk.stores.chunks.of_source("s")
    second = processed(desk, papers.pdf_of(20), "a.pdf")
    assert (first, before) == (second, desk.stores.chunks.of_source("s"))


def test_a_shorter_edition_leaves_nothing_of_the_longer_one(open_desk: OpenDesk) -> None:
    desk = open_desk()
    processed(desk, papers.pdf_of(20), "a.pdf")
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
    assert (texts(desk), desk.stores.sources.get("s").chatbot_id) == ("mine", "bot")
