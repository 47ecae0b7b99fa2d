"""What paragraph styles say: headings and lists, inherited from the styles that they are based
on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.documents.office.ooxml import Element, attribute, child, tag_of
from app.documents.office.word.numbering import Numbered, numbered_of

TITLE_LEVEL = 0
_OUTLINE_LEVELS = 9
_BODY_TEXT = _OUTLINE_LEVELS + 1
"""Outline level 9, counted from 1: a style that is not a heading although one that it is based on
is."""

_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What a paragraph is by its style."""

    level: int | None = None
    """Of a heading: 0 for the title, then from 1. None for anything else."""
    numbered: Numbered | None = None
    """The list whose next number or bullet the paragraph gets."""
    is_item: bool = False
    """Whether it is a list item, also one without a number of its own."""


PLAIN = Style()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Definition:
    name: str
    based_on: str | None
    properties: Element | None


class Styles:
    """The paragraph styles of a document by their ids."""

    def __init__(self, root: Element | None) -> None:
        self._definitions: Mapping[str, _Definition] = dict(_definitions(root))
        self._styles: dict[str, Style] = {}

    def of(self, paragraph: Element) -> Style:
        """The paragraph's style, with what the paragraph itself says taken into account."""
        properties = child(paragraph, "w:pPr")
        chosen = child(properties, "w:pStyle")
        style = PLAIN if chosen is None else self._style(attribute(chosen, "val") or "")
        level, numbered = _outline_level(properties), numbered_of(properties)
        numbered = style.numbered if numbered is None else numbered
        has_list = numbered is not None and numbered.list_id not in ("", "0")
        return Style(
            level=style.level if level is None else (level or None),
            numbered=numbered if has_list else None,
            is_item=has_list or (style.is_item and numbered_of(properties) is None),
        )

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self._resolved(name)
        return self._styles[name]

    def _resolved(self, name: str) -> Style:
        level: int | None = None
        numbered: Numbered | None = None
        is_item = False
        for each in self._chain(name):
            level = _level(each) if level is None else level
            numbered = numbered_of(each.properties) if numbered is None else numbered
            is_item = is_item or _is_list(each.name)
        level = None if level == _BODY_TEXT else level
        return Style(level=level, numbered=numbered, is_item=is_item)

    def _chain(self, name: str) -> Iterator[_Definition]:
        """The style and those that it is based on; a circle ends where it closes."""
        seen: set[str] = set()
        following: str | None = name
        while following is not None and following not in seen and following in self._definitions:
            seen.add(following)
            yield self._definitions[following]
            following = self._definitions[following].based_on


def _definitions(root: Element | None) -> Iterator[tuple[str, _Definition]]:
    for each in () if root is None else root:
        if tag_of(each) == "w:style" and (attribute(each, "type") or "paragraph") == "paragraph":
            name, based_on = child(each, "w:name"), child(each, "w:basedOn")
            yield (
                attribute(each, "styleId") or "",
                _Definition(
                    name="" if name is None else attribute(name, "val") or "",
                    based_on=None if based_on is None else attribute(based_on, "val"),
                    properties=child(each, "w:pPr"),
                ),
            )


def _level(style: _Definition) -> int | None:
    if style.name.casefold() == "title":
        return TITLE_LEVEL
    found = _HEADING.match(style.name)
    if found:
        return int(found[1])
    level = _outline_level(style.properties)
    return _BODY_TEXT if level == 0 else level


def _outline_level(properties: Element | None) -> int | None:
    """The heading level from 1 that the properties state, 0 for body text, None where they are
    silent."""
    said = child(properties, "w:outlineLvl")
    text = None if said is None else attribute(said, "val")
    if text is None or not text.isdecimal():
        return None
    return int(text) + 1 if int(text) < _OUTLINE_LEVELS else 0


def _is_list(name: str) -> bool:
    """Whether a built-in style is one of list items. `List Paragraph` is not: it only indents."""
    return name.casefold().startswith(("list bullet", "list number", "list continue"))
