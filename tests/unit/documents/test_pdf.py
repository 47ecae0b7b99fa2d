"""What a page of a PDF says beside its plain lines, and what it cannot say."""

from pathlib import Path

import pytest

from app.documents import reader
from app.documents.items import Block, Caveat, CaveatCode, Item, Page
from app.documents.pdf import pdf_reader
from app.documents.reader_options import DocumentLimits, PdfOptions
from tests import papers

LETTER = "The lighthouse keeper counts the ships\nthat pass in the evening of a long day"


def read(folder: Path, content: bytes) -> list[Item]:
    path = folder / "a.pdf"
    path.write_bytes(content)
    return list(reader.read(path, name="a.pdf", limits=DocumentLimits()))


def text_of(found: list[Item]) -> str:
    return "\n".join(item.text for item in found if isinstance(item, Block))


def caveats(found: list[Item]) -> list[tuple[CaveatCode, tuple[int, ...]]]:
    return [(item.code, item.pages) for item in found if isinstance(item, Caveat)]


def test_lines_that_run_upwards_stay_lines(tmp_path: Path) -> None:
    found = text_of(read(tmp_path, papers.pdf_sideways(["alpha beta", "gamma delta", "last"])))
    assert found.split() == ["alpha", "beta", "gamma", "delta", "last"]


def test_the_caption_of_a_button_is_read_and_the_page_stays_whole(tmp_path: Path) -> None:
    found = text_of(read(tmp_path, papers.pdf_with_button("Send the order")))
    assert "Send the order" in found
    assert [f"line {number}." in found for number in range(2)] == [True, True]


def test_a_font_that_does_not_name_its_letters_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, papers.pdf_without_letters(LETTER))
    assert "lighthouse" not in text_of(found)
    assert caveats(found) == [(CaveatCode.TEXT_GARBLED, (1,))]


def test_text_without_letters_is_recognised_by_the_pdf_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(papers.pdf_without_letters(LETTER))
    options = PdfOptions(
        pages=10,
        characters=10_000,
        objects=1_000,
        has_images=False,
        images=0,
        image_bytes=0,
        image_pixels=100_000_000,
        languages="eng",
        tessdata=None,
        dpi=150,
        threads=1,
    )
    found = list(pdf_reader.read(path, folder=tmp_path, options=options))
    assert text_of(found).split() == LETTER.split()
    assert [item.is_ocr for item in found if isinstance(item, Page)] == [True]
    assert caveats(found) == []


@pytest.mark.parametrize("pages", [1, 3])
def test_plain_pages_have_no_caveats(tmp_path: Path, pages: int) -> None:
    assert caveats(read(tmp_path, papers.pdf_of(pages))) == []
