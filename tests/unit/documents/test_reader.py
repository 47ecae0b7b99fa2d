"""The reader as a function: facts, refusals, positions."""

import itertools
from pathlib import Path

import pytest

from app.documents import reader, text_and_csv
from app.documents.items import Block, Extent, Fact, Item, Position, Refusal
from app.documents.office import ooxml
from app.documents.reader_options import DocumentLimits
from app.errors import LimitExceeded, PasswordNeeded
from tests import papers


def read(
    folder: Path, content: bytes, name: str, limits: DocumentLimits | None = None
) -> list[Item]:
    path = folder / "document"
    path.write_bytes(content)
    return list(reader.read(path, name=name, limits=limits or DocumentLimits()))


def test_everything_is_told_in_order(tmp_path: Path) -> None:
    assert read(tmp_path, b"One.\n\nTwo.\n", "a.txt") == [
        Fact(name="format", value="text"),
        Fact(name="encoding", value="utf-8"),
        Fact(name="encoding_confidence", value=1.0),
        Extent(total=11),
        Block(text="One."),
        Block(text="Two."),
        Position(done=11),
    ]


def test_markdown_headings_nest_and_code_has_none(tmp_path: Path) -> None:
    content = b"# A\n\none\n\n## B ##\n\n```\n# no\n```\n\ntwo\n\n# C\n\nthree"
    found = [item for item in read(tmp_path, content, "a.md") if isinstance(item, Block)]
    assert [(block.text, block.headings) for block in found] == [
        ("# A", ("A",)),
        ("one", ("A",)),
        ("## B ##", ("A", "B")),
        ("```\n# no\n```", ("A", "B")),
        ("two", ("A", "B")),
        ("# C", ("C",)),
        ("three", ("C",)),
    ]


def test_a_paragraph_longer_than_a_read_comes_whole(tmp_path: Path) -> None:
    content = b"x" * (text_and_csv.READ_CHARACTERS * 2 + 5)
    found = [item for item in read(tmp_path, content, "a.txt") if isinstance(item, Block)]
    assert "".join(block.text for block in found) == content.decode()


def test_what_cannot_be_read_is_a_refusal(tmp_path: Path) -> None:
    assert read(tmp_path, b"", "a.pdf") == [
        Refusal(error="InvalidInput", message="the file is empty")
    ]


def test_characters_are_capped(tmp_path: Path) -> None:
    *_, last = read(tmp_path, b"12345\n\n67890", "a.txt", DocumentLimits(characters=9))
    assert isinstance(last, Refusal)
    assert last.error == "LimitExceeded"


def test_positions_are_told_now_and_then_and_at_the_end() -> None:
    told = [Position(done=number) for number in range(100)]
    seconds = itertools.count(0, reader.POSITIONS_APART_S / 10)
    found = list(reader.thinned(iter(told), clock=lambda: next(seconds)))
    assert 3 < len(found) < 20
    assert found[-1] == told[-1]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (DocumentLimits(archive_entries=2), "parts"),
        (DocumentLimits(archive_bytes=1000), "unpacks to"),
        (DocumentLimits(archive_ratio=2, archive_ratio_from_bytes=100), "times"),
    ],
)
def test_archives_are_looked_through_before_they_are_unpacked(
    tmp_path: Path, limits: DocumentLimits, message: str
) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(papers.zip_of(a=b"b" * 2000, c=b"d", e=b"f"))
    with pytest.raises(LimitExceeded, match=message):
        ooxml.checked_names(path, limits)


def test_an_encrypted_archive_needs_its_password(tmp_path: Path) -> None:
    content = bytearray(papers.zip_of(a=b"b"))
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1  # the flag of the part in the archive's directory
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(PasswordNeeded):
        ooxml.checked_names(path, DocumentLimits())
