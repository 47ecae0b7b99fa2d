"""What a reader prints of a document: its extent, its progress, and blocks of text.

Between the processes an item is a JSON object, one a line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

BLOCK_LENGTH = 16_000
"""Most characters of a block: what is longer is cut, so that no line is too long."""

PARAGRAPH, LINE, WITHIN = "\n\n", "\n", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some text of a document that stands together."""

    text: str
    joint: str = PARAGRAPH
    """What stands between it and the block before."""
    headings: tuple[str, ...] = ()
    """The titles that it stands under, the outermost first."""
    page: int | None = None
    """Counted from 1."""
    sheet: str | None = None
    row: int | None = None
    """Counted from 1, as spreadsheets show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much there is to read, in the format's own unit."""

    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How much of it is read."""

    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something to know of the document as a whole: pages, encoding, sheets."""

    name: str
    value: Any  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The end of a page: the blocks since the page before are its text."""

    number: int
    """Counted from 1."""
    is_ocr: bool
    """Whether its text was recognised in a picture of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of the document, as a file."""

    file: str
    """Its name in the folder that the reader was given."""
    media_type: str
    page: int
    """The first one that shows it."""
    width: int
    height: int


class CaveatCode(StrEnum):
    """What kinds of caveats there are. Clients distinguish them by these."""

    PAGES_WITHOUT_TEXT = "pages_without_text"
    PAGES_UNREADABLE = "pages_unreadable"
    TEXT_GARBLED = "text_garbled"
    PARTS_UNREAD = "parts_unread"
    DAMAGED = "damaged"
    ENCODING_GUESSED = "encoding_guessed"
    BYTES_UNREADABLE = "bytes_unreadable"
    FORMULAS_WITHOUT_VALUES = "formulas_without_values"
    ROWS_CUT = "rows_cut"
    PICTURES_LEFT_OUT = "pictures_left_out"
    PAGES_SKIPPED = "pages_skipped"
    PAGES_FAILED = "pages_failed"
    ADDRESSES_LEFT_OUT = "addresses_left_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """Something of the document that was left out, guessed or damaged. Results list these as
    `warnings`."""

    code: CaveatCode
    message: str
    """A sentence for a person: what, how much of it, and why."""
    count: int | None = None
    """How many pages, parts, cells or bytes it concerns."""
    pages: tuple[int, ...] = ()
    """The first pages that it concerns (at most 100), counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the document cannot be read: the name of one of our errors, and words for a person."""

    error: str
    message: str


Item = Block | Extent | Position | Fact | Page | Picture | Caveat | Refusal

_KINDS: dict[str, type[Item]] = {
    kind.__name__.lower(): kind
    for kind in (Block, Extent, Position, Fact, Page, Picture, Caveat, Refusal)
}


_FIELDS: dict[type[Item], dict[str, object]] = {
    kind: {each.name: each.default for each in fields(kind)} for kind in _KINDS.values()
}


def to_json(item: Item) -> dict[str, Any]:  # JSON
    """
    >>> to_json(Position(done=3))
    {'position': {'done': 3}}
    """
    kind = type(item)
    known = {
        name: value
        for name, default in _FIELDS[kind].items()
        if (value := getattr(item, name)) != default
    }
    return {kind.__name__.lower(): known}


def from_json(line: dict[str, Any]) -> Item:  # JSON
    """The item that a line stands for.

    >>> from_json({"block": {"text": "One", "headings": ["A"]}}).headings
    ('A',)
    """
    [(name, values)] = line.items()
    if name == "block":
        values = {**values, "headings": tuple(values.get("headings", ()))}
    if name == "caveat":
        pages = tuple(values.get("pages", ()))
        values = {**values, "code": CaveatCode(values["code"]), "pages": pages}
    return _KINDS[name](**values)


def cut(text: str, *, joint: str = PARAGRAPH, **place: Any) -> Iterator[Block]:  # Block's own
    """The text as blocks of bearable length, none when it is blank. Cuts at spaces if it can."""
    rest = clean(text).strip()
    while rest:
        end = len(rest)
        if end > BLOCK_LENGTH:
            space = rest.rfind(" ", BLOCK_LENGTH // 2, BLOCK_LENGTH)
            end = space + 1 if space >= 0 else BLOCK_LENGTH
        yield Block(text=rest[:end], joint=joint, **place)
        rest, joint = rest[end:], WITHIN


_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_DROPPED = dict.fromkeys(
    [*(code for code in range(32) if chr(code) not in "\n\t"), 0x7F, 0xFEFF, 0xFFFE, 0xFFFF]
)


def clean(text: str) -> str:
    """The text with one kind of line end and without control characters.

    >>> clean("a\\r\\nb\\rc\\x00d")
    'a\\nb\\ncd'
    """
    if text.isprintable():  # most cells of tables
        return text
    return _LINE_ENDS.sub("\n", text).translate(_DROPPED)
