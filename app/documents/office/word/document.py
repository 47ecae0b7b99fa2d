"""DOCX and its relatives: paragraphs under their headings, lists, tables, notes and text boxes, in
order."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from lxml import etree

from app.documents import items
from app.documents.items import Block, Caveat, CaveatCode, Extent, Fact, Item, Position
from app.documents.office import ooxml
from app.documents.office.ooxml import Element, Package, tag_of
from app.documents.office.word.body import BodyReader, ParagraphLabels
from app.documents.office.word.numbering import Numbering
from app.documents.office.word.styles import Styles
from app.documents.office.word.texts import NOTES, Texts
from app.documents.reader_options import DocumentLimits
from app.errors import InvalidInput

_MARGINS = {"header": "[Header]", "footer": "[Footer]"}

_UNREAD = {
    "chart": "chart",
    "diagramData": "diagram",
    "aFChunk": "embedded file",
    "oleObject": "embedded object",
    "package": "embedded object",
}
"""Relationships to parts whose text is not read, and what a person calls these."""


def read(path: Path, limits: DocumentLimits) -> Iterator[Item]:
    """The text of the document in reading order.

    Raises:
        InvalidInput: the file is damaged, has no main part, or declares entities.
        LimitExceeded: it is a ZIP bomb.
        PasswordNeeded: it is encrypted.
    """
    ooxml.checked_names(path, limits)
    ooxml.refuse_entities(path)
    with ooxml.opened(path) as opened:
        try:
            yield from _items(Package(opened))
        except (etree.LxmlError, zlib.error) as error:
            raise InvalidInput("the document is damaged: its XML cannot be read") from error


def _items(package: Package) -> Iterator[Item]:
    main = package.main_part()
    related: dict[str, list[str]] = defaultdict(list)
    for each in package.relationships(main):
        related[each.kind].append(each.target)
    labels = ParagraphLabels(
        Styles(_tree(package, related["styles"])), Numbering(_tree(package, related["numbering"]))
    )
    notes = {kind: _tree(package, related[part]) for kind, part in NOTES.items()}
    texts = Texts(notes, label=labels.of)
    body = BodyReader(labels=labels, texts=texts)
    yield Extent(total=max(1, package.size_of(main)))
    is_damaged = False
    with package.open(main) as file:
        events = etree.iterparse(
            file, events=("start", "end"), resolve_entities=False, no_network=True, recover=True
        )
        for element in _children_of_body(events):
            yield from body.read(element)
            yield Position(done=file.tell())
        is_damaged = len(events.error_log) > 0
    yield from _margins(package, related, texts)
    yield Fact(name="tables", value=body.tables)
    yield from _caveats(related, is_damaged=is_damaged)


def _tree(package: Package, parts: list[str]) -> Element | None:
    return package.tree(parts[0]) if parts else None


def _children_of_body(events: Iterator[tuple[str, Element]]) -> Iterator[Element]:
    """Each child of the body when it is complete. It is dropped afterwards, so memory stays
    small."""
    depth, body_depth = 0, -1
    for event, element in events:
        if event == "start":
            depth += 1
            if body_depth < 0 and tag_of(element) == "w:body":
                body_depth = depth
            continue
        if depth == body_depth:
            return
        if depth == body_depth + 1:
            yield element
            ooxml.drop(element)
        depth -= 1
    if body_depth < 0:
        raise InvalidInput("the document is damaged: its main part has no body")


def _margins(package: Package, related: Mapping[str, list[str]], texts: Texts) -> Iterator[Block]:
    """Headers and footers, each text once, although it is printed on every page."""
    seen: set[str] = set()
    for kind, mark in _MARGINS.items():
        for part in related.get(kind, ()):
            root = package.tree(part)
            text = "" if root is None else "\n".join(texts.of(root))
            if text and text not in seen:
                seen.add(text)
                yield from items.cut(f"{mark} {text}")


def _caveats(related: Mapping[str, list[str]], *, is_damaged: bool) -> Iterator[Caveat]:
    if is_damaged:
        yield Caveat(
            code=CaveatCode.DAMAGED,
            message="The document's XML is damaged; text may be missing where it is.",
        )
    unread = Counter(
        {what: 0 for what in _UNREAD.values()}
        | Counter(
            _UNREAD[kind] for kind, parts in related.items() if kind in _UNREAD for _ in parts
        )
    )
    for what, count in unread.items():
        if count:
            yield Caveat(
                code=CaveatCode.PARTS_UNREAD,
                message=f"The text of {count} {what}{'s' if count > 1 else ''} is not read.",
                count=count,
            )
