"""Small files that were read wrong once, each with what a careful person reads in it."""

from pathlib import Path

import pytest

from app.documents import reader
from app.documents.items import Block, Caveat, CaveatCode, Fact, Item
from app.documents.pdf import pdf_reader
from app.documents.reader_options import DocumentLimits, PdfOptions
from app.documents.web import page_reader

CASES = Path(__file__).parents[2] / "cases"


def read(name: str) -> list[Item]:
    return list(reader.read(CASES / name, name=name, limits=DocumentLimits()))


def text_of(found: list[Item]) -> str:
    blocks = [item for item in found if isinstance(item, Block)]
    return "".join(block.joint + block.text for block in blocks).strip()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gb.csv", ["\u540d\u79f0: \u82f9\u679c; \u4ef7\u683c: 1.5"]),
        ("pl_short_cp1250.txt", ["Za\u017c\u00f3\u0142\u0107"]),
        ("jp_short_iso-2022-jp.txt", ["\u543e\u8f29\u306f\u732b\u3067\u3042\u308b"]),
        ("mz_codes.csv", ["MZ: Mozambique", "MA: Morocco", "MX: Mexico"]),
        ("pdf_article.md", ["How PDF works", "`%PDF-1.7`", "More text here."]),
        ("formfeed.txt", ["page one text\n\npage two text\n\npage three"]),
        ("keyvalue.csv", ["Applicant: Jane Sample", "City: Berlin", "Occupation: Baker"]),
        ("float_noise.xlsx", ["3.3"]),
        ("far_cell.xlsx", ["Name | Val", "Name: near; Val: 1", "FARCELL"]),
        ("form.pdf", ["surname: Musterfrau FORMVALUE", "member: Yes", "country: Chile"]),
        ("annot.pdf", ["FREETEXT remark on page", "[Note] STICKYNOTE comment body"]),
        ("eof_missing_OF.pdf", ["Plain reference sentence about turbines."]),
        ("null_page.pdf", ["Good page number 1 content", "Good page number 3 content"]),
        (
            "hyphen.pdf",
            [
                "The well-known state-of-the-art e-mail system in 2019-2020 used COVID-19 data and "
                "example words; see pages 12-15 and the self-made A-B test. Mid-line e-mail ok."
            ],
        ),
    ],
)
def test_the_right_value_is_read(name: str, wanted: list[str]) -> None:
    text = text_of(read(name))
    assert [each for each in wanted if each not in text] == [], text


def test_a_stray_byte_in_utf8_is_told() -> None:
    found = read("mixed_utf8_bad.txt")
    assert Fact(name="encoding", value="utf-8") in found
    assert "Gr\u00fc\u00dfe aus K\u00f6ln" in text_of(found)
    codes = [item.code for item in found if isinstance(item, Caveat)]
    assert codes == [CaveatCode.BYTES_UNREADABLE]


def test_formulas_without_a_stored_value_are_told() -> None:
    [caveat] = [item for item in read("formula_nocache.xlsx") if isinstance(item, Caveat)]
    assert (caveat.code, caveat.count) == (CaveatCode.FORMULAS_WITHOUT_VALUES, 4)


def test_noise_of_floating_point_is_not_read() -> None:
    text = text_of(read("float_noise.xlsx"))
    assert "3.3000000000000003" not in text
    assert ".0" not in text


def page(name: str) -> str:
    content = (CASES / name).read_bytes()
    return text_of(list(page_reader.read(content, url="http://127.0.0.1/", media_type="text/html")))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("html_br.html", ["Example Street 1\n12345 Sampletown\nPhone 555"]),
        ("html_br.html", ["- Fruit\n- Apple\n- Pear"]),
        ("html_tail_text.html", ["Part one\n\nLOOSETEXT directly after the heading is shown"]),
        ("html_keyvalue.html", ["Colour: red\nWeight: two kilos\nOrigin: Chile"]),
        ("html_one_bad_byte.html", ["Gr\u00fc\u00dfe aus K\u00f6ln", "na\ufffdve"]),
        ("html_meta_utf16.html", ["hello words"]),
    ],
)
def test_every_text_of_a_page_is_read_in_its_place(name: str, wanted: list[str]) -> None:
    text = page(name)
    assert [each for each in wanted if each not in text] == [], text


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("eof_missing_OF.pdf", [(CaveatCode.DAMAGED, ())]),
        ("null_page.pdf", [(CaveatCode.PAGES_UNREADABLE, (2,))]),
        ("scan_header.pdf", [(CaveatCode.PAGES_WITHOUT_TEXT, (1,))]),
        ("form.pdf", []),
    ],
)
def test_what_could_not_be_read_of_a_pdf_is_told(
    name: str, want: list[tuple[CaveatCode, tuple[int, ...]]]
) -> None:
    found = [(item.code, item.pages) for item in read(name) if isinstance(item, Caveat)]
    assert found == want


def test_bytes_behind_the_end_of_a_pdf_are_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes((CASES / "hyphen.pdf").read_bytes() + b"\0" * 10_000)
    found = list(reader.read(path, name="a.pdf", limits=DocumentLimits()))
    assert "COVID-19" in text_of(found)
    assert CaveatCode.DAMAGED in {item.code for item in found if isinstance(item, Caveat)}


def test_a_scan_with_a_header_is_recognised_and_the_header_read_once(tmp_path: Path) -> None:
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
    found = list(pdf_reader.read(CASES / "scan_header.pdf", folder=tmp_path, options=options))
    text = text_of(found)
    assert text.count("Bates 000123") == 1
    assert len(text) > 3 * len("Page 1 of 1 - Bates 000123"), text
