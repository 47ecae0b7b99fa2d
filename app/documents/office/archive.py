"""ZIP archives from strangers: looked through before a library unpacks them."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.documents.limits import Limits
from app.errors import InvalidInput, LimitExceeded, PasswordNeeded

_ENCRYPTED = 0x1
_DOCTYPE_WITHIN_BYTES = 4096
_CONTENT_TYPES = "[Content_Types].xml"
_CONTENT_TYPES_BYTES = 1024 * 1024


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive. What is wrong with it, at any point of the block, is InvalidInput."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise InvalidInput(f"the document is damaged or incomplete: {error}") from error


def checked_names(path: Path, limits: Limits) -> frozenset[str]:
    """The names of the archive's parts, when it can be unpacked without harm.

    A library unpacks no more of a part than the size that is declared here, so the declared sizes
    bound the real ones. Raises LimitExceeded (a bomb), InvalidInput (damaged), PasswordNeeded.
    """
    with opened(path) as archive:
        parts = archive.infolist()
    if len(parts) > limits.archive_entries:
        raise LimitExceeded(f"the document has {len(parts)} parts: more than a real one has")
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise PasswordNeeded("the document is encrypted: save it without a password")
    total_bytes = sum(part.file_size for part in parts)
    if total_bytes > limits.archive_bytes:
        raise LimitExceeded(f"the document unpacks to {total_bytes} bytes: it may be a ZIP bomb")
    for part in parts:
        is_large = part.file_size > limits.archive_ratio_from_bytes
        if is_large and part.file_size > limits.archive_ratio * max(1, part.compress_size):
            raise LimitExceeded(
                f"{part.filename[:100]!r} unpacks to more than {limits.archive_ratio} times its "
                "size: it may be a ZIP bomb"
            )
    return frozenset(part.filename for part in parts)


def content_types(path: Path) -> str:
    """What an Office document says of the types of its parts; empty for any other archive."""
    with opened(path) as archive:
        if _CONTENT_TYPES not in archive.namelist():
            return ""
        with archive.open(_CONTENT_TYPES) as file:
            return file.read(_CONTENT_TYPES_BYTES).decode("utf-8", "replace")


def refuse_entities(path: Path) -> None:
    """Refuse XML parts that declare a document type: Office never does, attacks by entities do."""
    with opened(path) as archive:
        for part in archive.infolist():
            if not part.filename.endswith((".xml", ".rels")):
                continue
            with archive.open(part) as file:
                head = file.read(_DOCTYPE_WITHIN_BYTES)
            if b"<!doctype" in head.replace(b"\x00", b"").lower():
                raise InvalidInput(f"{part.filename[:100]!r} declares a document type")
