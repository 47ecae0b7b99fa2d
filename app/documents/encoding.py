"""Which encoding a text file has."""

import codecs
from pathlib import Path

import chardet

BLOCK_BYTES = 256 * 1024

LEAST_CONFIDENCE = 0.1
"""Below it chardet guesses: short western texts come out as Hebrew or Polish. Then it is cp1252,
which short texts of unknown origin mostly are. Measured: paragraphs reach 0.13 and more."""

FALLBACK = "cp1252"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The order matters: the mark of UTF-32 begins like that of UTF-16."""


def of_file(path: Path) -> str:
    """The encoding's name as Python knows it. A byte order mark decides; then what is valid UTF-8
    is UTF-8; else the first part of the file that is not ASCII is judged."""
    with path.open("rb") as file:
        head = file.read(BLOCK_BYTES)
    name = marked(head)
    if name is not None:
        return name
    if b"\x00" not in head:
        odd_at = _first_odd_byte(path)
        if odd_at is None:
            return "utf-8"
        head = _around(path, odd_at)
    return of_bytes(head)


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def of_bytes(content: bytes) -> str:
    """What the bytes, which are not UTF-8, look like."""
    head = content[:BLOCK_BYTES]
    found = chardet.detect(head, encoding_era=chardet.EncodingEra.MODERN_WEB)
    name = found["encoding"]
    if name is None or found["confidence"] < LEAST_CONFIDENCE:
        return FALLBACK
    return codecs.lookup(name).name


def _first_odd_byte(path: Path) -> int | None:
    """Where the file stops to be UTF-8; None when it is all of it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return max(0, offset + error.start - len(error.object) + len(block))
            if not block:
                return None
            offset += len(block)


def _around(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, offset - BLOCK_BYTES // 8))
        return file.read(BLOCK_BYTES)
