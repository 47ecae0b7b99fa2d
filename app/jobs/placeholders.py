"""Parts of a job in the parameters of what follows it: `{{result.title}}`.

A text that is one placeholder becomes the value itself, a number or a list as well; inside of more
text it becomes text. What is put in is never looked at for placeholders again.
"""

import json
import re
from collections.abc import Iterator

from app.errors import InvalidInput
from app.jobs.model import Json

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*\}\}")


def filled(value: Json, view: Json) -> Json:
    """The value with the parts of the view in place of the placeholders.

    Raises InvalidInput for a part that is not there.

    >>> filled({"n": "{{result.pages}}", "text": "{{id}}: {{ result.pages }} pages"},
    ...        {"id": "j1", "result": {"pages": 3}})
    {'n': 3, 'text': 'j1: 3 pages'}
    """
    match value:
        case str():
            return _filled_text(value, view)
        case dict():
            return {key: filled(inner, view) for key, inner in value.items()}
        case list():
            return [filled(inner, view) for inner in value]
        case _:
            return value


def has_any(value: Json) -> bool:
    """Whether there is a placeholder somewhere in the value."""
    return any(_PLACEHOLDER.search(text) for text in _texts(value))


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
