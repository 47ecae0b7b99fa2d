"""`key=value` on the command line."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.errors import InvalidInput

Json = Any  # a JSON value: the type system has no better word for it


def parse(given: Iterable[str]) -> dict[str, str]:
    """Raises InvalidInput for what is no `key=value`."""
    return dict(_split(pair) for pair in given)


def parse_typed(given: Iterable[str], *, texts: Collection[str] = ()) -> dict[str, Json]:
    """A value that reads as JSON is that (`3`, `true`, `["a"]`), unless its key is one of `texts`;
    any other is text."""
    return {
        key: value if key in texts else _json_or_text(value) for key, value in parse(given).items()
    }


def shown(values: Mapping[str, Json]) -> str:
    """`key=value` again, in one line."""
    return " ".join(f"{key}={_text(value)}" for key, value in values.items())


def _split(pair: str) -> tuple[str, str]:
    key, separator, value = pair.partition("=")
    if not separator or not key:
        raise InvalidInput(f"{pair!r} is not of the form key=value")
    return key, value


def _json_or_text(value: str) -> Json:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # the API refuses what is nested so deeply
        return value


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
