"""JSON values that every store and every client can hold.

Python's parser accepts more: NUL characters (PostgreSQL refuses them), unpaired surrogates (not
UTF-8), `NaN` (not JSON) and any depth (serializers have a limit).
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from app.jobs.model.job import Json
from app.storage import nesting

LINE_LENGTH = 300
"""Maximum length of a message in a listing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A value that cannot be stored, and its path."""

    path: tuple[str | int, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _PathStep:
    """A step of a path, linked to its parent, so that all paths together stay small."""

    parent: "_PathStep | None"
    step: str | int

    def path(self) -> tuple[str | int, ...]:
        steps: list[str | int] = []
        at: _PathStep | None = self
        while at is not None:
            steps.append(at.step)
            at = at.parent
        return tuple(reversed(steps))


def shown(value: Json) -> Json:
    """The value as a response can hold it: "?" replaces unpaired surrogates, which occur in damaged
    files and pages, and a note replaces what is nested too deeply. Rows may contain both.

    >>> shown({"title": "half \\ud800"})
    {'title': 'half ?'}
    """
    if isinstance(value, str) and value.isascii():
        return value
    shallow = nesting.cut(value)
    text = json.dumps(shallow, ensure_ascii=False, default=str)
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return shallow if whole == text else json.loads(whole)


def one_line(text: str) -> str:
    """The first line, shortened to fit a listing.

    >>> one_line("It failed:\\n  much more")
    'It failed:'
    """
    line, *_ = text.strip().splitlines() or [""]
    return line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 3] + "..."


ShownText = Annotated[str, BeforeValidator(shown)]
ShownLine = Annotated[str, BeforeValidator(one_line), BeforeValidator(shown)]
ShownJson = Annotated[Json, BeforeValidator(shown)]
ShownObject = Annotated[dict[str, Any], BeforeValidator(shown)]  # Any: JSON as its sender gave it


def find_unfit(value: Json) -> Unfit | None:
    """The first value that cannot be stored. Not recursive: the sender chooses the depth."""
    if nesting.is_too_deep(value):
        return Unfit(path=(), reason=nesting.TOO_DEEP)
    waiting: list[tuple[_PathStep | None, Json]] = [(None, value)]
    while waiting:
        at, found = waiting.pop()
        reason = why_unfit(found)
        if reason is not None:
            return Unfit(path=at.path() if at is not None else (), reason=reason)
        waiting.extend((_PathStep(parent=at, step=step), inner) for step, inner in _children(found))
    return None


def why_unfit(value: Json) -> str | None:
    if isinstance(value, str):
        return _why_unfit_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    return None


def _why_unfit_text(text: str) -> str | None:
    if "\x00" in text:
        return "must not contain the NUL character"
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        return "must be valid Unicode, without unpaired surrogates"
    return None


def _children(value: Json) -> Iterator[tuple[str | int, Json]]:
    if isinstance(value, dict):
        yield from (("(key)", key) for key in value)
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
