"""The numbers and bullets of list items and headings, counted as a word processor counts them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from app.documents.office.ooxml import Element, attribute, child, tag_of

LEVELS = 9
BULLET = "-"

_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_LARGEST_ROMAN = 3999
_LONGEST_LABEL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """Which list a paragraph belongs to, and how deep."""

    list_id: str
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    start: int = 1
    style: str = "decimal"
    text: str = ""


@dataclass(slots=True, kw_only=True)
class _List:
    """A list definition with its counters; lists of one definition go on counting from each
    other."""

    levels: Mapping[int, _Level]
    counters: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Labels of numbered paragraphs, which are asked for in the order of the document."""

    def __init__(self, root: Element | None) -> None:
        self._definitions: dict[str, _List] = {}
        self._lists: dict[str, str] = {}
        self._starts: dict[str, dict[int, int]] = {}
        for each in () if root is None else root:
            if tag_of(each) == "w:abstractNum":
                levels = dict(_levels(each))
                self._definitions[attribute(each, "abstractNumId") or ""] = _List(levels=levels)
            elif tag_of(each) == "w:num":
                self._read_list(each)

    def label(self, numbered: Numbered) -> str:
        """The next label of the list at this level: `-` for a bullet, else such as `2.1` or
        `b)`."""
        definition = self._definitions.get(self._lists.get(numbered.list_id, ""))
        if definition is None or numbered.level not in definition.levels:
            return BULLET
        level = definition.levels[numbered.level]
        self._count(numbered, definition)
        if level.style in ("bullet", "none") or not level.text:
            return BULLET if level.style == "bullet" else ""
        text = _PLACE.sub(lambda found: _shown(definition, int(found[1]) - 1), level.text)
        return text.strip()[:_LONGEST_LABEL]

    def _count(self, numbered: Numbered, definition: _List) -> None:
        counters, level = definition.counters, numbered.level
        started = self._starts.get(numbered.list_id, {}).pop(level, None)
        if started is not None:
            counters[level] = started
        elif level in counters:
            counters[level] += 1
        else:
            counters[level] = definition.levels[level].start
        for deeper in range(level + 1, LEVELS):
            counters.pop(deeper, None)

    def _read_list(self, element: Element) -> None:
        list_id, definition = attribute(element, "numId") or "", child(element, "w:abstractNumId")
        self._lists[list_id] = "" if definition is None else attribute(definition, "val") or ""
        for override in element:
            start = child(override, "w:startOverride")
            if tag_of(override) == "w:lvlOverride" and start is not None:
                level = _number(attribute(override, "ilvl"), default=0)
                starts = self._starts.setdefault(list_id, {})
                starts[level] = _number(attribute(start, "val"), default=1)


def numbered_of(properties: Element | None) -> Numbered | None:
    """The list that paragraph properties name; None where they name none. Id 0 stands for no
    list."""
    numbering = child(properties, "w:numPr")
    if numbering is None:
        return None
    list_id, level = child(numbering, "w:numId"), child(numbering, "w:ilvl")
    return Numbered(
        list_id="" if list_id is None else attribute(list_id, "val") or "",
        level=0 if level is None else _number(attribute(level, "val"), default=0),
    )


def _levels(definition: Element) -> Iterator[tuple[int, _Level]]:
    for each in definition:
        if tag_of(each) == "w:lvl":
            said = {tag: child(each, tag) for tag in ("w:start", "w:numFmt", "w:lvlText")}
            start, style, text = (
                None if found is None else attribute(found, "val") for found in said.values()
            )
            yield (
                _number(attribute(each, "ilvl"), default=0),
                _Level(start=_number(start, default=1), style=style or "decimal", text=text or ""),
            )


def _shown(definition: _List, level: int) -> str:
    known = definition.levels.get(level, _Level())
    number = definition.counters.get(level, known.start)
    return _STYLES.get(known.style, str)(number)


def _letters(number: int) -> str:
    """
    >>> [_letters(number) for number in (1, 26, 27, 28)]
    ['a', 'z', 'aa', 'bb']
    """
    if not 1 <= number <= 26 * LEVELS:
        return str(number)
    return chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)


def _roman(number: int) -> str:
    """
    >>> [_roman(number) for number in (1, 4, 19, 2026)]
    ['i', 'iv', 'xix', 'mmxxvi']
    """
    if not 1 <= number <= _LARGEST_ROMAN:
        return str(number)
    text = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        text += letters * count
    return text


_STYLES: Mapping[str, Callable[[int], str]] = {
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
    "decimalZero": lambda number: f"{number:02d}",
}


def _number(text: str | None, *, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else default
