"""What a file really is, by its content first and by its name where the content leaves a choice."""

import re
from collections.abc import Set
from enum import StrEnum
from pathlib import PurePath

from app.errors import InvalidInput, PasswordNeeded, UnsupportedFormat

HEAD_BYTES = 4096
"""How much of the start of the file is examined."""


class FileKind(StrEnum):
    """What is read here."""

    PDF = "pdf"
    DOCX = "docx"
    XLSX = "xlsx"
    CSV = "csv"
    MARKDOWN = "markdown"
    TEXT = "text"


READABLE = "PDF, DOCX, XLSX, CSV, TXT and Markdown are"

_TABLE_NAMES = frozenset({".csv", ".tsv", ".tab", ".xlsx", ".xls"})
_MARKDOWN_NAMES = frozenset({".md", ".markdown"})

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x7fELF", "a program"),
    (b"ID3", "an MP3 file"),
    (b"MZ", "a program"),
    (b"RIFF", "a media file"),
)
"""First bytes, and what they are the beginning of. Texts may begin with letters, too: then what
follows decides."""

_MARKUP = (b"<!doctype html", b"<html", b"<?xml", b"<svg")

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

_OFFICE_MAIN = re.compile(
    r"application/vnd\.(?:openxmlformats-officedocument\.(\w+)|ms-(\w+))\.[\w.]*main\+xml"
)
"""Content type of the main part of an Office document."""

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def kind_of(head: bytes, *, name: str, is_encrypted_office: bool = False) -> FileKind | None:
    """The kind of a file that begins with `head`; None for a ZIP archive, whose parts decide.

    Raises InvalidInput for an empty file, PasswordNeeded, UnsupportedFormat.
    """
    if not head.strip(b" \t\r\n\x00"):
        raise InvalidInput("the file is empty")
    if _is_pdf(head):
        return FileKind.PDF
    if head.startswith(_ZIP):
        return None
    if head.startswith(_OLE):
        raise _of_ole(is_encrypted=is_encrypted_office)
    for magic, what in _FOREIGN:
        # A text may begin with letters that are a mark elsewhere: "MZ,Mozambique".
        if head.startswith(magic) and (not magic.isalnum() or _looks_binary(head)):
            raise _unsupported(what)
    return _of_text(head, PurePath(name).suffix.lower())


def kind_of_archive(names: Set[str], *, content_types: str = "") -> FileKind:
    """The kind of a ZIP archive with these parts; `content_types` is what `[Content_Types].xml`
    holds. Office documents name their main part there, whatever it is called. Raises
    UnsupportedFormat."""
    plain = {name.replace("\\", "/").casefold() for name in names}
    main = _OFFICE_MAIN.search(content_types)
    family = "" if main is None else main[1] or main[2]
    if family in ("wordprocessingml", "word") or "word/document.xml" in plain:
        return FileKind.DOCX
    if (family in ("spreadsheetml", "excel") and "xl/workbook.bin" not in plain) or (
        "xl/workbook.xml" in plain
    ):
        return FileKind.XLSX
    if family in ("presentationml", "powerpoint") or "ppt/presentation.xml" in plain:
        raise _unsupported("a PowerPoint presentation")
    if "xl/workbook.bin" in plain:
        raise _unsupported("a binary Excel workbook: save it as XLSX")
    raise _unsupported("a ZIP archive")


def is_ole(head: bytes) -> bool:
    """Whether it is an old Office file, or a new one behind a password."""
    return head.startswith(_OLE)


def says_encrypted(content: bytes) -> bool:
    """Whether an OLE file holds an encrypted document (its directory names the stream)."""
    return _OLE_ENCRYPTED in content


def _of_ole(*, is_encrypted: bool) -> Exception:
    if is_encrypted:
        return PasswordNeeded("the document is encrypted: save it without a password")
    return _unsupported("an Office file from before 2007: save it as DOCX or XLSX")


def _is_pdf(head: bytes) -> bool:
    """Whether the mark is there where a PDF has it: at the start, or behind bytes that are not a
    text about PDFs."""
    at = head[:1024].find(b"%PDF-")
    if at <= 0:
        return at == 0
    return _looks_binary(head) or not head[:at].strip() or head[at - 1 : at] in b"\r\n"


def _of_text(head: bytes, suffix: str) -> FileKind:
    has_mark = head.startswith(_BYTE_ORDER_MARKS)
    if not has_mark and _looks_binary(head):
        raise _unsupported("a binary file")
    if head.lstrip().lower().startswith(_MARKUP):
        raise _unsupported("an HTML or XML page")
    if suffix in _TABLE_NAMES:
        return FileKind.CSV
    return FileKind.MARKDOWN if suffix in _MARKDOWN_NAMES else FileKind.TEXT


def _looks_binary(head: bytes) -> bool:
    """Control characters that no text has. UTF-16 without a mark has a NUL in every second byte."""
    odd = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1b" for byte in head)
    nuls = max(head[0::2].count(0), head[1::2].count(0))
    is_wide = nuls > len(head) // 4 and nuls == head.count(0)
    return not is_wide and odd > len(head) // 100


def _unsupported(what: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"the file is {what}; {READABLE} read")
