"""The package of an Office document: a ZIP archive, checked before it is unpacked, its parts, and
the relationships between them."""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote
from xml.parsers import expat

from lxml import etree

from app.documents.reader_options import DocumentLimits
from app.errors import InvalidInput, LimitExceeded, PasswordNeeded

Element = Any  # lxml ships no types

_SPACES = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",
    "http://schemas.openxmlformats.org/officeDocument/2006/math": "m",
    "http://purl.oclc.org/ooxml/officeDocument/math": "m",
    "http://schemas.openxmlformats.org/drawingml/2006/main": "a",
    "http://purl.oclc.org/ooxml/drawingml/main": "a",
    "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing": "wp",
    "http://purl.oclc.org/ooxml/drawingml/wordprocessingDrawing": "wp",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
}
"""Transitional and strict documents differ in their namespaces and in nothing that is read here."""

_MAIN = re.compile(r"(wordprocessingml\.|ms-word\.)[\w.]+\.main\+xml")

_DEFAULT_MAIN = "word/document.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """A link from one part to another. `kind` is the last word of its type, such as `footnotes`."""

    id: str
    kind: str
    target: str
    """Name of the part in the package; the part may not exist."""


class Package:
    """Parts by name. Names are compared without regard to case and to the kind of slash, as Word
    does."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {_plain(name): name for name in archive.namelist()}

    def main_part(self) -> str:
        """The name of the document's main part, by the package's relationships, else by its content
        type.

        Raises:
            InvalidInput: there is none.
        """
        linked = (each.target for each in self.relationships("") if each.kind == "officeDocument")
        for name in (*linked, *self._main_by_content_type(), _DEFAULT_MAIN):
            if self.has(name):
                return name
        raise InvalidInput("the document is damaged: it has no main part")

    def has(self, name: str) -> bool:
        return _plain(name) in self._names

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._names[_plain(name)])

    def size_of(self, name: str) -> int:
        """Its size in bytes, unpacked."""
        return self._archive.getinfo(self._names[_plain(name)]).file_size

    def tree(self, name: str) -> Element | None:
        """The part's root element, as far as it is well-formed; None where there is no such
        part."""
        if not self.has(name):
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
        with self.open(name) as file:
            return etree.parse(file, parser).getroot()

    def relationships(self, part: str) -> Iterator[Relationship]:
        """The internal relationships of a part, of the package itself for an empty name."""
        folder, _, base = part.rpartition("/")
        root = self.tree(posixpath.join(folder, "_rels", f"{base}.rels"))
        for each in () if root is None else root.iter("{*}Relationship"):
            if each.get("TargetMode") != "External":
                kind = (each.get("Type") or "").rstrip("/").rpartition("/")[2]
                target = posixpath.join("/", folder, unquote(each.get("Target") or ""))
                yield Relationship(
                    id=each.get("Id") or "",
                    kind=kind,
                    target=posixpath.normpath(target).lstrip("/"),
                )

    def _main_by_content_type(self) -> Iterator[str]:
        root = self.tree("[Content_Types].xml")
        for each in () if root is None else root.iter("{*}Override"):
            if _MAIN.search(each.get("ContentType") or ""):
                yield unquote(each.get("PartName") or "").lstrip("/")


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()


def tag_of(element: Element) -> str:
    """The element's name with the usual prefix: `w:p`. Empty for comments and foreign
    namespaces."""
    name = element.tag
    if not isinstance(name, str):
        return ""
    space, _, local = name[1:].rpartition("}")
    prefix = _SPACES.get(space)
    return "" if prefix is None else f"{prefix}:{local}"


def attribute(element: Element, name: str) -> str | None:
    """The attribute of this local name, in whatever namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def child(element: Element | None, *path: str) -> Element | None:
    """The first child of this name, and so on down the path."""
    for name in path:
        if element is None:
            return None
        element = next((each for each in element if tag_of(each) == name), None)
    return element


def is_on(element: Element | None) -> bool:
    """Whether a switch (`w:vanish` and the like) is there and not turned off."""
    return element is not None and attribute(element, "val") not in ("0", "false", "off", "none")


def drop(element: Element) -> None:
    """Free an element of a streamed part that has been read, and those before it."""
    parent = element.getparent()
    element.clear()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


_ENCRYPTED = 0x1
_BLOCK_BYTES = 64 * 1024
_DOCTYPE = b"<!doctype"
_CONTENT_TYPES = "[Content_Types].xml"
_CONTENT_TYPES_BYTES = 1024 * 1024


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive. Damage found anywhere in the block raises InvalidInput."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise InvalidInput(f"the document is damaged or incomplete: {error}") from error


def checked_names(path: Path, limits: DocumentLimits) -> frozenset[str]:
    """The names of the archive's parts.

    A library unpacks no more of a part than the size declared here, so the declared sizes limit the
    real ones. Raises LimitExceeded (a ZIP bomb), InvalidInput (damaged), PasswordNeeded.
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
                if _declares_type(file):
                    raise InvalidInput(f"{part.filename[:100]!r} declares a document type")


def _declares_type(part: IO[bytes]) -> bool:
    """Whether XML has a document type before its first element, however far away that is.

    What Expat cannot read (broken XML, an encoding that it lacks and libxml2 has) is searched for
    the words instead, as a whole.
    """
    decided: list[bool] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: decided.append(True)
    parser.StartElementHandler = lambda *_: decided.append(False)
    try:
        while not decided and (block := part.read(_BLOCK_BYTES)):
            parser.Parse(block)
    except (expat.ExpatError, ValueError, LookupError):
        if not decided:
            part.seek(0)
            return _holds_words_of_type(part)
    return bool(decided) and decided[0]


def _holds_words_of_type(part: IO[bytes]) -> bool:
    end = b""
    while block := part.read(_BLOCK_BYTES):
        text = end + block.replace(b"\x00", b"").lower()
        if _DOCTYPE in text:
            return True
        end = text[-len(_DOCTYPE) :]
    return False
