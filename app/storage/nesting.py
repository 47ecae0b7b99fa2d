"""The maximum nesting of JSON, wherever it enters, and how deeper values are shown.

The libraries that write answers refuse a nesting of some 250 levels, and Python's own parser one of
some 1,000, depending on how deep the stack is already. A value that one of them takes and another
one refuses could be stored and never be shown again, so there is one limit far below both.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

Json = Any  # a JSON value

MAX_DEPTH = 100
"""Levels of objects and arrays. Documents that people write have about ten."""

TOO_DEEP = f"must not be nested deeper than {MAX_DEPTH} levels"

OMITTED = f"[omitted: nested deeper than {MAX_DEPTH} levels]"
"""Shown instead of what is too deep."""

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def is_too_deep(value: Json) -> bool:
    """Whether the value is nested too deeply to be stored. Walks without recursion.

    >>> is_too_deep([[["three levels"]]])
    False
    """
    level = _containers([value])
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        level = _containers(inner for outer in level for inner in _children(outer))
    return bool(level)


def cut(value: Json) -> Json:
    """The value with a note instead of what is nested too deeply."""
    return _cut(value, MAX_DEPTH) if is_too_deep(value) else value


def parse(raw: str | bytes) -> Json:
    """The JSON of a row, as a database's driver gives it, whatever stands in it: a value that
    Python's parser finds too deep is cut before it is parsed."""
    try:
        return json.loads(raw)
    except RecursionError:
        return json.loads(_cut_text(raw if isinstance(raw, str) else raw.decode()))


def _containers(values: Iterable[Json]) -> list[Json]:
    """The objects and arrays among the values; one that stands there many times counts once."""
    return list({id(one): one for one in values if isinstance(one, dict | list | tuple)}.values())


def _children(value: Json) -> Iterable[Json]:
    return value.values() if isinstance(value, dict) else value


def _cut(value: Json, levels: int) -> Json:
    if not isinstance(value, dict | list | tuple):
        return value
    if levels == 0:
        return OMITTED
    if isinstance(value, dict):
        return {key: _cut(inner, levels - 1) for key, inner in value.items()}
    return [_cut(inner, levels - 1) for inner in value]


def _cut_text(text: str) -> str:
    return "".join(_shallow_parts(text))


def _shallow_parts(text: str) -> Iterator[str]:
    """The text of the upper levels, with the note in place of each container below them."""
    depth, kept_until = 0, 0
    for found in _STRUCTURE.finditer(text):
        if found[0] in ("[", "{"):
            depth += 1
            if depth == MAX_DEPTH + 1:
                yield text[kept_until : found.start()]
                yield json.dumps(OMITTED)
        elif found[0] in ("]", "}"):
            depth -= 1
            if depth == MAX_DEPTH:
                kept_until = found.end()
    yield text[kept_until:]
