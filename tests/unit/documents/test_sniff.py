"""What a file is, by its first bytes and its name."""

import pytest

from app.documents import sniff
from app.documents.sniff import FileKind
from app.errors import CeleriacError, InvalidInput, PasswordNeeded, UnsupportedFormat

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("head", "name", "want"),
    [
        (b"%PDF-1.7", "a.pdf", FileKind.PDF),
        (b"\n\n  %PDF-1.4", "a", FileKind.PDF),
        (b"%PDF-1.7", "a.txt", FileKind.PDF),
        (b"a,b\n", "a.csv", FileKind.CSV),
        (b"a,b\n", "A.CSV", FileKind.CSV),
        (b"a\tb\n", "a.tsv", FileKind.CSV),
        (b"a,b\n", "a.xlsx", FileKind.CSV),
        (b"# One", "a.md", FileKind.MARKDOWN),
        (b"# One", "a.txt", FileKind.TEXT),
        (b"words", "", FileKind.TEXT),
        (b"words", "a.pdf", FileKind.TEXT),
        ("ä".encode("cp1252") * 9, "a.txt", FileKind.TEXT),
        ("words".encode("utf-16"), "a.txt", FileKind.TEXT),
        ("words and words".encode("utf-16-le"), "a.txt", FileKind.TEXT),
        (b"PK\x03\x04", "a.docx", None),
        (b"PK\x05\x06", "a.zip", None),
    ],
)
def test_content_decides_before_the_name(head: bytes, name: str, want: FileKind | None) -> None:
    assert sniff.kind_of(head, name=name) is want


@pytest.mark.parametrize(
    ("head", "want"),
    [
        (b"", InvalidInput),
        (b" \r\n\t\x00", InvalidInput),
        (b"\x89PNG\r\n", UnsupportedFormat),
        (b"{\\rtf1", UnsupportedFormat),
        (b"\x7fELF\x02", UnsupportedFormat),
        (b"<!DOCTYPE HTML>", UnsupportedFormat),
        (b"  <html>", UnsupportedFormat),
        (b'<?xml version="1.0"?>', UnsupportedFormat),
        (b"\x01\x02\x03\x04words", UnsupportedFormat),
        (b"wo\x00rds", UnsupportedFormat),
        (OLE, UnsupportedFormat),
    ],
)
def test_what_is_not_read_is_refused(head: bytes, want: type[CeleriacError]) -> None:
    with pytest.raises(CeleriacError) as raised:
        sniff.kind_of(head, name="a.txt")
    assert type(raised.value) is want


def test_an_encrypted_office_file_needs_its_password() -> None:
    content = OLE + bytes(100) + "EncryptedPackage".encode("utf-16-le")
    assert sniff.is_ole(content)
    with pytest.raises(PasswordNeeded):
        sniff.kind_of(content, name="a.docx", is_encrypted_office=sniff.says_encrypted(content))


@pytest.mark.parametrize(
    ("names", "want"),
    [({"word/document.xml", "a"}, FileKind.DOCX), ({"xl/workbook.xml", "a"}, FileKind.XLSX)],
)
def test_the_parts_of_an_archive_decide(names: set[str], want: FileKind) -> None:
    assert sniff.kind_of_archive(names) is want


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"ppt/presentation.xml"}, "PowerPoint"),
        ({"xl/workbook.bin"}, "save it as XLSX"),
        ({"a.txt"}, "a ZIP archive"),
        (set[str](), "a ZIP archive"),
    ],
)
def test_other_archives_are_refused(names: set[str], message: str) -> None:
    with pytest.raises(UnsupportedFormat, match=message):
        sniff.kind_of_archive(names)
