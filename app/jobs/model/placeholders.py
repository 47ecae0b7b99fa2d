"""Parts of a job in the parameters of what follows it: `{{result.title}}`.

A text that is one placeholder becomes the value itself, a number or a list as well; inside of more
text it becomes text. Inserted values are not searched for placeholders again.

A few placeholders can name a large part many times, so the size of the outcome is counted before
anything is built.
"""

import json
import re
from collections.abc import Iterator

from app.errors import InvalidInput, LimitExceeded
from app.jobs.model.job import Json
from app.storage import nesting

LIMIT_CHARACTERS = 4 * 1024 * 1024
"""Put in by all placeholders of one value together: four times what a request may hold."""

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*\}\}")


def filled(value: Json, view: Json) -> Json:
    """The value with the parts of the view in place of the placeholders.

    Raises InvalidInput for a part that is not there and for an outcome that is nested too deeply,
    LimitExceeded for one that is too large.

    >>> filled({"n": "{{result.pages}}", "text": "{{id}}: {{ result.pages }} pages"},
    ...        {"id": "j1", "result": {"pages": 3}})
    {'n': 3, 'text': 'j1: 3 pages'}
    """
    _check_depth(value)
    _check_size(value, view)
    outcome = _filled(value, view)
    _check_depth(outcome)
    return outcome


def has_any(value: Json) -> bool:
    """Whether there is a placeholder somewhere in the value."""
    return any(_PLACEHOLDER.search(text) for text in _texts(value))


def _check_depth(value: Json) -> None:
    if nesting.is_too_deep(value):
        raise InvalidInput(f"what follows the job {nesting.TOO_DEEP}")


def _check_size(value: Json, view: Json) -> None:
    left = LIMIT_CHARACTERS
    sizes: dict[str, int] = {}
    for text in _texts(value):
        for path in _PLACEHOLDER.findall(text):
            if path not in sizes:
                sizes[path] = _size(_part(view, path), limit=LIMIT_CHARACTERS)
            left -= sizes[path]
            if left < 0:
                raise LimitExceeded(
                    f"the placeholders of what follows the job put in more than {LIMIT_CHARACTERS} "
                    f"characters; the one that exceeds the limit is {{{{{path}}}}}"
                )


def _size(value: Json, *, limit: int) -> int:
    """The characters of the value as JSON, roughly. The count stops soon after the limit."""
    size, waiting = 0, [value]
    while waiting and size <= limit:
        found = waiting.pop()
        if isinstance(found, dict):
            size += sum(len(key) + 4 for key in found)
            waiting.extend(found.values())
        elif isinstance(found, list):
            size += 2 * len(found)
            waiting.extend(found)
        else:
            size += len(_as_text(found))
    return size


def _filled(value: Json, view: Json) -> Json:
    match value:
        case str():
            return _filled_text(value, view)
        case dict():
            return {key: _filled(inner, view) for key, inner in value.items()}
        case list():
            return [_filled(inner, view) for inner in value]
        case _:
            return value


def _filled_text(text: str, view: Json) -> Json:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole is not None:
        return _part(view, whole[1])
    return _PLACEHOLDER.sub(lambda found: _as_text(_part(view, found[1])), text)


def _part(view: Json, path: str) -> Json:
    found = view
    for step in path.split("."):
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise InvalidInput(f"the job has no {path!r} for what follows it")
    return found


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
