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
from app.testing import RecordedWork
from tests import papers
from tests.integration.pipelines.conftest import OpenWork
from tests.papers import Bad
from tests.unit.jobs import build


def processed(work: RecordedWork, content: bytes, name: str, **params: str) -> Processed:
    """Upload the file and process it, for the bot `bot`."""
    upload = work.directory.parent / "upload"
    upload.write_bytes(content)
    kept = work.stores.uploads.add(upload, filename=name, media_type="application/octet-stream")
    upload.unlink()
    values = {"upload_id": kept.id, "chatbot_id": "bot", "source_id": "s", **params}
    return process.process(DocumentParams.model_validate(values), work)


def texts(work: RecordedWork) -> str:
    return "\n".join(chunk.text for chunk in work.stores.chunks.of_source("s"))


def test_a_pdf_is_read_page_by_page(open_work: OpenWork) -> None:
    work = open_work()
    result = processed(work, papers.pdf_of(12), "book.pdf")
    chunks = work.stores.chunks.of_source("s")
    assert result.model_extra == {"format": "pdf", "pages": 12, "pages_without_text": 0}
    assert (result.chunks, result.tokens) == (len(chunks), sum(chunk.tokens for chunk in chunks))
    assert max(chunk.tokens for chunk in chunks) <= 512
    assert chunks[0].metadata == {"headings": ["Chapter 1"], "pages": [1, 1]}
    assert chunks[-1].metadata == {"headings": ["Chapter 2"], "pages": [12, 12]}
    lines = [f"Page {page}, line {line}." for page in (1, 7, 12) for line in (0, 29)]
    assert [line for line in lines if line not in texts(work)] == []


def test_a_docx_keeps_headings_lists_and_tables(open_work: OpenWork) -> None:
    work = open_work(CELERIAC_CHUNK_TOKENS="16", CELERIAC_CHUNK_OVERLAP_TOKENS="0")
    result = processed(work, papers.docx_of(), "handbook.docx")
    found = [(chunk.text, chunk.metadata) for chunk in work.stores.chunks.of_source("s")]
    assert result.model_extra == {"format": "docx", "tables": 1}
    assert ("Bread\n\nAll about bread.", {"headings": ["Handbook", "Bread"]}) in found
    assert "- apple\n- pear" in texts(work)
    assert "Name | Price\nName: Apple; Price: 1.50" in texts(work)


def test_a_workbook_keeps_sheets_and_rows(open_work: OpenWork) -> None:
    work = open_work()
    result = processed(work, papers.xlsx_of(2000), "prices.xlsx")
    chunks = work.stores.chunks.of_source("s")
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
    open_work: OpenWork, content: bytes, name: str, want: str
) -> None:
    work = open_work()
    processed(work, content, name)
    assert want in texts(work)


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
    open_work: OpenWork, make: Callable[[], bytes], name: str, want: str
) -> None:
    result = processed(open_work(), make(), name)
    assert (result.model_extra or {})["format"] == want


@pytest.mark.parametrize("bad", papers.BAD.values(), ids=papers.BAD)
def test_each_bad_document_has_its_error(open_work: OpenWork, bad: Bad) -> None:
    work = open_work()
    with pytest.raises(CeleriacError, match=bad.message) as raised:
        processed(work, bad.make(), bad.name)
    source = work.stores.sources.get("s")
    assert type(raised.value) is bad.want
    assert (source.status, source.error) == (SourceStatus.FAILED, str(raised.value))
    assert work.stores.chunks.count(source_id="s") == 0


def test_a_pdf_with_an_owner_password_only_can_be_read(open_work: OpenWork) -> None:
    work = open_work()
    processed(work, papers.encrypted(papers.pdf_of(1), user_password=""), "a.pdf")
    assert "lighthouse" in texts(work)


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
    open_work: OpenWork, setting: str, value: str, make: Callable[[], bytes], name: str
) -> None:
    with pytest.raises(LimitExceeded):
        processed(open_work(**{setting: value}), make(), name)


def test_progress_rises_page_by_page(open_work: OpenWork) -> None:
    work = open_work()
    processed(work, papers.pdf_of(60), "a.pdf")
    assert work.percents == sorted(work.percents)
    assert (work.percents[0], work.percents[-1]) == (0, 100)
    assert any(report.message.startswith("reading page ") for report in work.reports)


def test_cancel_leaves_the_chunks_from_before(open_work: OpenWork) -> None:
    work = open_work()
    processed(work, b"the first edition", "a.txt")
    work.cancel_when = lambda report: report.message.startswith("storing")
    with pytest.raises(Cancelled):
        processed(work, papers.pdf_of(20), "a.pdf")
    assert texts(work) == "the first edition"
    assert work.stores.sources.get("s").status is SourceStatus.PROCESSING


@pytest.mark.parametrize(
    ("attempt", "want"), [(1, SourceStatus.PROCESSING), (4, SourceStatus.FAILED)]
)
def test_the_last_attempt_of_a_plain_call_marks_the_source(
    open_work: OpenWork, attempt: int, want: SourceStatus
) -> None:
    work = replace(open_work(), attempt=attempt)
    (work.directory / "chunks.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageUnavailable):
        processed(work, papers.pdf_of(20), "a.pdf")
    assert work.stores.sources.get("s").status is want


@pytest.mark.parametrize(
    ("owner", "want"),
    [
        pytest.param("another", SourceStatus.PROCESSING, id="another job has it by now"),
        pytest.param("own", SourceStatus.FAILED, id="its own"),
        pytest.param(None, SourceStatus.FAILED, id="nobody has noted whose it is"),
    ],
)
def test_an_abandoned_job_marks_its_own_source(
    open_work: OpenWork, owner: str | None, want: SourceStatus
) -> None:
    work = open_work()
    work.stores.sources.create(chatbot_id="bot", filename="a", source_id="s", job_id=owner)
    source_progress.fail_unfinished(build.job(id="own", params={"source_id": "s"}), work)
    assert work.stores.sources.get("s").status is want


def test_a_sheet_with_an_endless_name_does_not_fill_the_store(
    open_work: OpenWork, tmp_path: Path
) -> None:
    work = open_work()
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
    processed(work, renamed.read_bytes(), "a.xlsx")
    assert {len(chunk.metadata["sheet"]) for chunk in work.stores.chunks.of_source("s")} == {100}


def test_doing_it_again_keeps_the_ids(open_work: OpenWork) -> None:
    work = open_work()
    first = processed(work, papers.pdf_of(20), "a.pdf")
    before = work.stores.chunks.of_source("s")
    second = processed(work, papers.pdf_of(20), "a.pdf")
    assert (first, before) == (second, work.stores.chunks.of_source("s"))


def test_a_shorter_edition_leaves_nothing_of_the_longer_one(open_work: OpenWork) -> None:
    work = open_work()
    processed(work, papers.pdf_of(20), "a.pdf")
    processed(work, b"only this", "a.txt")
    assert texts(work) == "only this"


def test_a_file_path_is_read_from_the_storage_folder(open_work: OpenWork, tmp_path: Path) -> None:
    work = open_work()
    (tmp_path / "storage" / "letters").mkdir(parents=True)
    file = tmp_path / "storage" / "letters" / "letter.txt"
    file.write_text("Dear reader")
    for path in (str(file), "letters/letter.txt"):
        params = DocumentParams(chatbot_id="bot", file_path=path, source_id="s")
        assert process.process(params, work).filename == "letter.txt"
    assert texts(work) == "Dear reader"


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.txt", "uploads/../../secret.txt"])
def test_a_file_path_does_not_lead_outside(open_work: OpenWork, tmp_path: Path, path: str) -> None:
    work = open_work()
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(InvalidInput, match="outside"):
        process.process(DocumentParams(chatbot_id="bot", file_path=path), work)


def test_a_link_in_the_storage_folder_does_not_lead_outside(
    open_work: OpenWork, tmp_path: Path
) -> None:
    work = open_work()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "storage").mkdir(exist_ok=True)
    (tmp_path / "storage" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InvalidInput, match="outside"):
        process.process(DocumentParams(chatbot_id="bot", file_path="link.txt"), work)


@pytest.mark.parametrize(
    "params", [{"upload_id": "gone"}, {"file_path": "gone.txt"}, {"file_path": "uploads/gone"}]
)
def test_a_file_that_is_not_there_is_not_found(open_work: OpenWork, params: dict[str, str]) -> None:
    with pytest.raises(NotFound):
        process.process(DocumentParams.model_validate({"chatbot_id": "bot", **params}), open_work())


def test_the_source_of_another_bot_is_left_alone(open_work: OpenWork) -> None:
    work = open_work()
    processed(work, b"mine", "a.txt")
    with pytest.raises(InvalidInput, match="another bot"):
        processed(work, b"theirs", "a.txt", chatbot_id="thief")
    assert (texts(work), work.stores.sources.get("s").chatbot_id) == ("mine", "bot")
