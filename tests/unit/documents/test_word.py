"""DOCX: what a reader sees is read, in the order of the page."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.documents import reader
from app.documents.items import Block, Caveat, CaveatCode, Item, Refusal
from app.documents.reader_options import DocumentLimits

CASES = Path(__file__).parents[2] / "cases"

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_W = "http://purl.oclc.org/ooxml/wordprocessingml/main"
M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
WP = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"

NUMBERING = """
<w:abstractNum w:abstractNumId="7">
  <w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
  <w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
</w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="7"/>
  <w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
"""


def part(root: str, content: str, *, space: str = W) -> str:
    names = f'xmlns:w="{space}" xmlns:m="{M}" xmlns:mc="{MC}" xmlns:wp="{WP}" xmlns:r="{R}"'
    return f"<w:{root} {names}>{content}</w:{root}>"


def docx(
    body: str,
    *,
    space: str = W,
    main: str = "word/document.xml",
    related: Mapping[str, str] | None = None,
    slash: str = "/",
) -> bytes:
    """A package with this body. `related` are further parts by the kind of their relationship."""
    folder, _, name = main.rpartition("/")
    links = "".join(
        f'<Relationship Id="r{kind}" Type="{R}/{kind}" Target="{kind}.xml"/>'
        for kind in (*(related or {}), "image")  # no such picture: a dangling target
    )
    parts = {
        "[Content_Types].xml": (
            f'<Types><Override PartName="/{main}" ContentType="{TYPE}"/></Types>'
        ),
        "_rels/.rels": (
            f'<Relationships><Relationship Id="r" Type="{R}/officeDocument" Target="{main}"/>'
            "</Relationships>"
        ),
        main: part("document", f"<w:body>{body}</w:body>", space=space),
        f"{folder}/_rels/{name}.rels": f"<Relationships>{links}</Relationships>",
        **{f"{folder}/{kind}.xml": text for kind, text in (related or {}).items()},
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for each, text in parts.items():
            archive.writestr(each.replace("/", slash), text)
    return target.getvalue()


def read(folder: Path, content: bytes) -> list[Item]:
    path = folder / "document"
    path.write_bytes(content)
    return list(reader.read(path, name="letter.docx", limits=DocumentLimits()))


def text_of(found: list[Item]) -> str:
    blocks = [item for item in found if isinstance(item, Block)]
    return "".join(block.joint + block.text for block in blocks).strip()


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def numbered(text: str, *, list_id: int, level: int = 0) -> str:
    name = f'<w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/>'
    return paragraph(text, f"<w:numPr>{name}</w:numPr>")


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


BOX = (
    f"<w:r><mc:AlternateContent><mc:Choice><w:txbxContent>{paragraph('in a box')}</w:txbxContent>"
    f"</mc:Choice><mc:Fallback><w:txbxContent>{paragraph('in a box')}</w:txbxContent></mc:Fallback>"
    "</mc:AlternateContent></w:r>"
)


@pytest.mark.parametrize(
    ("body", "want"),
    [
        pytest.param(
            f"<w:p>{run('one')}<w:ins>{run(' two')}</w:ins><w:del><w:r><w:delText>no</w:delText>"
            f"</w:r></w:del><w:moveFrom>{run('gone')}</w:moveFrom><w:moveTo>{run(' three')}"
            "</w:moveTo></w:p>",
            "one two three",
            id="insertions and moved text are read, deletions are not",
        ),
        pytest.param(
            f"<w:sdt><w:sdtContent><w:p>{run('a')}<w:sdt><w:sdtContent>{run('b')}</w:sdtContent>"
            "</w:sdt></w:p></w:sdtContent></w:sdt>",
            "ab",
            id="content controls around paragraphs and within them",
        ),
        pytest.param(
            f"<w:customXml><w:p><w:smartTag>{run('a')}</w:smartTag><w:fldSimple>{run('b')}"
            f"</w:fldSimple><w:hyperlink>{run('c')}</w:hyperlink></w:p></w:customXml>",
            "abc",
            id="smart tags, fields, links and custom XML",
        ),
        pytest.param(
            "<w:p><w:r><w:instrText>PAGE</w:instrText></w:r><m:oMath><m:f><m:num><m:r><m:t>x</m:t>"
            "</m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath></w:p>",
            "x/2",
            id="equations are read, instructions of fields are not",
        ),
        pytest.param(
            "<w:p><w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t>"
            "</w:r></w:rubyBase></w:ruby></w:r></w:p>",
            "漢(kan)",
            id="ruby: the base text first",
        ),
        pytest.param(
            f"<w:p>{run('10')}<w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>7</w:t>"
            "</w:r></w:p>",
            "10⁷",
            id="an exponent stays one",
        ),
        pytest.param(
            f"<w:p>{run('beside')}{BOX}</w:p>",
            "beside\n\n[Text box] in a box",
            id="a text box once, behind its paragraph",
        ),
        pytest.param(
            "<w:p><w:r><w:drawing><wp:docPr id='1' name='x' descr='a red roof'/></w:drawing></w:r>"
            "</w:p>",
            "[Picture: a red roof]",
            id="alternative text of a picture",
        ),
        pytest.param(
            paragraph("split", "<w:rPr><w:del/></w:rPr>") + paragraph("sentence"),
            "split sentence",
            id="a paragraph whose end was deleted goes on in the next",
        ),
        pytest.param(
            paragraph("D", "<w:framePr w:dropCap='drop'/>") + paragraph("rop"),
            "Drop",
            id="a drop cap belongs to its word",
        ),
        pytest.param(
            numbered("first", list_id=1)
            + numbered("inner", list_id=1, level=1)
            + numbered("inner", list_id=1, level=1)
            + numbered("second", list_id=1)
            + numbered("anew", list_id=2)
            + numbered("none", list_id=0),
            "3. first\n3.a) inner\n3.b) inner\n4. second\n1. anew\n\nnone",
            id="numbers of list items, as a word processor counts them",
        ),
        pytest.param(
            "<w:tbl><w:tr><w:tc><w:tcPr><w:vMerge w:val='restart'/></w:tcPr>"
            f"{paragraph('both')}</w:tc><w:tc>{paragraph('1 kg')}</w:tc></w:tr>"
            "<w:sdt><w:sdtContent><w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr>"
            f"{paragraph('both')}</w:tc><w:tc>{paragraph('2 kg')}</w:tc></w:tr></w:sdtContent>"
            f"</w:sdt><w:tr><w:trPr><w:del/></w:trPr><w:tc>{paragraph('gone')}</w:tc></w:tr>"
            "</w:tbl>",
            "both | 1 kg\n| 2 kg",
            id="a merged cell once, rows in content controls, no deleted rows",
        ),
    ],
)
def test_visible_text_is_read_in_order(tmp_path: Path, body: str, want: str) -> None:
    found = read(tmp_path, docx(body, related={"numbering": part("numbering", NUMBERING)}))
    assert text_of(found) == want


def test_notes_headers_and_comments_are_read_and_marked(tmp_path: Path) -> None:
    body = (
        f"<w:p>{run('A claim')}<w:r><w:footnoteReference w:id='2'/></w:r>"
        "<w:r><w:commentReference w:id='5'/></w:r></w:p>"
    )
    note = f"<w:footnote w:id='2'>{paragraph('the proof')}</w:footnote>"
    comment = f"<w:comment w:id='5' w:author='Ann'>{paragraph('really?')}</w:comment>"
    separator = f"<w:footnote w:id='0' w:type='separator'>{paragraph('no')}</w:footnote>"
    related = {
        "footnotes": part("footnotes", separator + note),
        "comments": part("comments", comment),
        "header": part("hdr", paragraph("Draft")),
    }
    want = "A claim[1]\n\n[Footnote 1] the proof\n\n[Comment by Ann] really?\n\n[Header] Draft"
    assert text_of(read(tmp_path, docx(body, related=related))) == want


STYLES = """
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Firm"><w:name w:val="Firm"/>
  <w:basedOn w:val="berschrift1"/></w:style>
<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/>
  <w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
"""


def test_headings_are_found_by_outline_level_and_by_what_a_style_is_based_on(
    tmp_path: Path,
) -> None:
    body = "".join(
        [
            paragraph("One", "<w:pStyle w:val='Firm'/>"),
            paragraph("Two", "<w:pStyle w:val='Loop'/>"),
            paragraph("Three", "<w:outlineLvl w:val='2'/>"),
            paragraph("text"),
        ]
    )
    found = read(tmp_path, docx(body, related={"styles": part("styles", STYLES)}))
    last = [item for item in found if isinstance(item, Block)][-1]
    assert (last.text, last.headings) == ("text", ("One", "Two", "Three"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(docx(paragraph("words"), space=STRICT_W), id="strict OOXML"),
        pytest.param(docx(paragraph("words"), main="word/document2.xml"), id="another main part"),
        pytest.param(docx(paragraph("words"), main="doc/Letter.xml"), id="another folder"),
        pytest.param(
            docx(paragraph("words"), slash="\\"),
            id="backslashes in the names of parts",
        ),
    ],
)
def test_relatives_of_docx_are_read(tmp_path: Path, content: bytes) -> None:
    assert text_of(read(tmp_path, content)) == "words"


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, docx(paragraph("words"), related={"chart": "<chart/>"}))
    [caveat] = [item for item in found if isinstance(item, Caveat)]
    assert (caveat.code, caveat.message, caveat.count) == (
        CaveatCode.PARTS_UNREAD,
        "The text of 1 chart is not read.",
        1,
    )


def test_damaged_xml_is_read_as_far_as_it_goes_and_told(tmp_path: Path) -> None:
    found = read(tmp_path, docx(paragraph("words") + "<w:p><w:r><w:t>lost</w:q>"))
    assert "words" in text_of(found)
    assert CaveatCode.DAMAGED in {item.code for item in found if isinstance(item, Caveat)}


def test_no_message_tells_where_the_file_is(tmp_path: Path) -> None:
    [refusal] = read(tmp_path, docx("").replace(b"word/document.xml", b"word/nothing.xxx"))
    assert isinstance(refusal, Refusal)
    assert str(tmp_path) not in refusal.message


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tracked.docx", ["The fee is two hundred fifty euros."]),
        ("sdt.docx", ["Annual Safety Report BLOCKSDT", "INLINESDT", "CELLSDT", "ROWSDT"]),
        ("macro.docm", ["Hello from Word Online."]),
        ("vmerge_300_rows.docx", ["Group0 | r0c1 | r0c2 | r0c3"]),
    ],
)
def test_handed_files_are_read_whole(name: str, wanted: list[str]) -> None:
    text = text_of(list(reader.read(CASES / name, name=name, limits=DocumentLimits())))
    assert [each for each in wanted if each not in text] == []
    assert "one hundred" not in text


def test_headings_of_a_handed_file_are_headings() -> None:
    found = reader.read(CASES / "heading_styles.docx", name="a.docx", limits=DocumentLimits())
    blocks = [(item.text, item.headings) for item in found if isinstance(item, Block)]
    assert blocks == [
        ("Firmenkapitel BASEDON", ("Firmenkapitel BASEDON",)),
        ("Inhalt unter dem Firmenkapitel.", ("Firmenkapitel BASEDON",)),
        ("Outline Kapitel", ("Outline Kapitel",)),
        ("Text darunter.", ("Outline Kapitel",)),
    ]


def test_merged_cells_cost_no_more_than_others(tmp_path: Path) -> None:
    cell = "<w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>"
    rows = "".join(f"<w:tr>{cell}<w:tc>{paragraph(f'r{n}')}</w:tc></w:tr>" for n in range(20_000))
    found = read(tmp_path, docx(f"<w:tbl>{rows}</w:tbl>"))  # minutes where it is not linear
    assert text_of(found).count("\n") == 19_999
