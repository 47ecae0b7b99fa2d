"""PDF files, good and bad, through the real reader and the real tesseract in their child."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from app.errors import Cancelled, CeleriacError, InvalidInput, LimitExceeded, NotFound
from app.pipelines.pdf import tasks
from app.pipelines.pdf.schema import PdfParams, ReadPdf
from app.testing import ProgressReport, RecordedWork
from tests import hostile_files, papers, pdfs
from tests.integration.pipelines.conftest import OpenWork


def read(work: RecordedWork, content: bytes, **params: object) -> ReadPdf:
    """Upload the file and read it."""
    upload = work.directory.parent / "upload"
    upload.write_bytes(content)
    kept = work.stores.uploads.add(upload, filename="a.pdf", media_type="application/pdf")
    upload.unlink()
    return tasks.process(PdfParams.model_validate({"upload_id": kept.id, **params}), work)


def test_each_page_has_its_text_and_only_scans_are_recognised(open_work: OpenWork) -> None:
    work = open_work()
    content = pdfs.drawn(
        pdfs.text("Written by a program"),
        pdfs.picture(pdfs.scan()),
        pdfs.blank,
        pdfs.picture(pdfs.scan(["Read in a picture"]), words="A stamp on a scan"),
    )
    result = read(work, content)
    assert [(page.number, page.text, page.is_ocr) for page in result.pages] == [
        (1, "Written by a program", False),
        (2, "\n\n".join(pdfs.SCANNED), True),
        (3, "", False),
        (4, "A stamp on a scan\nRead in a picture", True),
    ]
    assert [page.chars for page in result.pages] == [20, 59, 0, 35]
    assert (result.page_count, result.chars, result.ocr_pages) == (4, 114, 2)
    assert (result.language, (result.ocr_engine or "").split()[0]) == ("eng", "tesseract")
    assert work.percents == sorted(work.percents)
    assert [report.message for report in work.reports if "page" in report.message] == [
        *(f"reading page {number} of 4" for number in range(1, 5)),
        "read 4 pages",
    ]


def test_pictures_are_artifacts_once_each_within_the_caps(open_work: OpenWork) -> None:
    work = open_work(CELERIAC_PDF_IMAGES="2")
    logo, second, third = (pdfs.photo(turn) for turn in (0, 30, 60))
    content = pdfs.drawn(
        *(pdfs.picture(shown, words="words") for shown in (logo, second, logo, third, second))
    )
    result = read(work, content)
    assert [(image.page, image.width, image.height) for image in result.images] == [
        (1, 120, 80),
        (2, 120, 80),
    ]
    assert result.images_skipped == 1
    for image, shown in zip(result.images, (logo, second), strict=True):
        stored = Image.open(io.BytesIO(work.artifact(image.artifact)))
        assert stored.convert("RGB").tobytes() == shown.tobytes()


def test_pictures_stay_where_they_are_when_nobody_wants_them(open_work: OpenWork) -> None:
    result = read(
        open_work(), pdfs.drawn(pdfs.picture(pdfs.photo(), words="words")), extract_images=False
    )
    assert (result.images, result.images_skipped, result.pages[0].text) == ((), 0, "words")


def test_a_long_text_is_an_artifact(open_work: OpenWork) -> None:
    work = open_work(CELERIAC_PDF_INLINE_CHARACTERS="1000")
    result = read(work, papers.pdf_of(30))
    pages = json.loads(work.artifact("pages.json"))
    assert (result.text_artifact, {page.text for page in result.pages}) == ("pages.json", {None})
    assert [page["number"] for page in pages] == list(range(1, 31))
    assert pages[29]["text"].startswith("Page 30, line 0. The lighthouse keeper")
    assert [page["chars"] for page in pages] == [len(page["text"]) for page in pages]
    assert [page.chars for page in result.pages] == [page["chars"] for page in pages]


@pytest.mark.parametrize(("make", "want", "message"), pdfs.BAD.values(), ids=pdfs.BAD)
def test_each_bad_file_has_its_error(
    open_work: OpenWork, make: Callable[[], bytes], want: type[CeleriacError], message: str
) -> None:
    with pytest.raises(CeleriacError, match=message) as raised:
        read(open_work(), make())
    assert type(raised.value) is want


@pytest.mark.parametrize(
    ("setting", "value", "make"),
    [
        ("CELERIAC_PDF_PAGES", "3", lambda: papers.pdf_of(4)),
        ("CELERIAC_PDF_CHARACTERS", "1000", lambda: papers.pdf_of(1)),
        ("CELERIAC_PDF_TIME_S", "1", lambda: pdfs.drawn(*[pdfs.picture(pdfs.scan())] * 30)),
    ],
    ids=["pages", "characters", "time"],
)
def test_each_limit_holds(
    open_work: OpenWork, setting: str, value: str, make: Callable[[], bytes]
) -> None:
    with pytest.raises(LimitExceeded):
        read(open_work(**{setting: value}), make())


def test_a_page_that_is_drawn_for_hours_ends_the_job(open_work: OpenWork) -> None:
    with pytest.raises(LimitExceeded, match="processor time for one page"):
        read(open_work(CELERIAC_PDF_PAGE_CPU_S="2"), hostile_files.tiling(b"0.001"))


def test_each_page_has_its_processor_time(open_work: OpenWork) -> None:
    scans = pdfs.drawn(*[pdfs.picture(pdfs.scan())] * 12)
    assert len(read(open_work(CELERIAC_PDF_PAGE_CPU_S="10"), scans).pages) == 12


def test_a_language_that_is_not_there_is_named(open_work: OpenWork) -> None:
    with pytest.raises(InvalidInput, match="no trained data for tlh; there are: eng"):
        read(open_work(), pdfs.drawn(pdfs.picture(pdfs.scan())), language="eng+tlh")


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.pdf", "uploads/../../secret.pdf"])
def test_a_path_does_not_lead_outside(open_work: OpenWork, path: str) -> None:
    with pytest.raises(InvalidInput, match="outside"):
        tasks.process(PdfParams(pdf_path=path), open_work())


def test_a_file_of_the_storage_folder_is_read(open_work: OpenWork, tmp_path: Path) -> None:
    work = open_work()
    (tmp_path / "storage").mkdir(exist_ok=True)
    (tmp_path / "storage" / "letter.pdf").write_bytes(pdfs.drawn(pdfs.text("Dear reader")))
    result = tasks.process(PdfParams(pdf_path="letter.pdf"), work)
    assert (result.filename, result.pages[0].text) == ("letter.pdf", "Dear reader")
    with pytest.raises(NotFound):
        tasks.process(PdfParams(pdf_path="gone.pdf"), work)


def readers() -> list[int]:
    """The reading children of this process, and theirs."""
    found, unseen = [], [os.getpid()]
    while unseen:
        pid = unseen.pop()
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            unseen += [int(child) for child in listing.read_text().split()]
        if b"app.documents.pdf.pdf_reader" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.append(pid)
    return found


@pytest.mark.parametrize("slots", [1, 1000])
def test_recognition_has_the_threads_of_its_slot(open_work: OpenWork, slots: int) -> None:
    work = open_work()
    work.platform.slots = slots
    seen: list[int] = []

    def look(_: ProgressReport) -> bool:
        seen.extend(len(os.listdir(f"/proc/{pid}/task")) for pid in readers())
        return False

    work.cancel_when = look
    read(work, pdfs.drawn(*[pdfs.picture(pdfs.scan())] * 4))
    assert max(seen) == 1 + work.threads
    assert slots < 1000 or max(seen) == 2


def test_a_cancel_ends_the_reader(open_work: OpenWork) -> None:
    work = open_work()
    work.cancel_when = lambda report: report.message.startswith("reading page 1 ")
    with pytest.raises(Cancelled):
        read(work, pdfs.drawn(*[pdfs.picture(pdfs.scan())] * 30))
    assert readers() == []


@pytest.mark.parametrize(
    ("settings", "again", "is_cached"),
    [
        pytest.param({}, {}, True, id="the same"),
        pytest.param({}, {"extract_images": False}, False, id="another wish"),
        pytest.param({"CELERIAC_PDF_CACHE": "false"}, {}, False, id="no cache"),
    ],
)
def test_what_was_recognised_is_kept_for_the_next_time(
    open_work: OpenWork, settings: dict[str, str], again: dict[str, object], *, is_cached: bool
) -> None:
    work = open_work(**settings)
    content = pdfs.drawn(pdfs.picture(pdfs.scan()), pdfs.text("Written"))
    first = read(work, content)
    work.reports.clear()
    second = read(work, content, **again)
    assert (second.pages, second.ocr_pages) == (first.pages, 1)
    assert second.images == (first.images if not again else ())
    read_pages = [report.percent for report in work.reports if report.message.startswith("reading")]
    assert read_pages == ([] if is_cached else [45, 90])


def test_nothing_is_kept_of_a_file_that_was_read_at_once(open_work: OpenWork) -> None:
    work = open_work()
    read(work, pdfs.drawn(pdfs.text("Written")))
    assert not work.platform.settings.files.cache_dir.exists()


def test_a_damaged_entry_of_the_cache_is_read_anew(open_work: OpenWork) -> None:
    work = open_work()
    content = pdfs.drawn(pdfs.picture(pdfs.scan()))
    first = read(work, content)
    [summary] = work.platform.settings.files.cache_dir.glob("pdf/*/read.json")
    summary.write_text("{")
    assert read(work, content) == first


def test_a_picture_that_cannot_be_read_is_left_out(open_work: OpenWork) -> None:
    result = read(open_work(), pdfs.huge_picture(100))  # it has fewer bytes than that
    assert (result.images, result.images_skipped, result.page_count) == ((), 1, 1)
