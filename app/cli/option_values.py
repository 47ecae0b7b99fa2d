"""Parsers of option values: `key=value` pairs, JSON objects, names of exchanges."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

import typer

from app.errors import InvalidInput

Json = Any  # a JSON value: the type system has no better word for it


def parse(given: Iterable[str]) -> dict[str, str]:
    """Parse `key=value` pairs. Raises InvalidInput."""
    return dict(_split(pair) for pair in given)


def parse_typed(given: Iterable[str], *, texts: Collection[str] = ()) -> dict[str, Json]:
    """Parse pairs whose values may be JSON (`3`, `true`, `["a"]`). Other values, and those
    of keys in `texts`, are text."""
    return {
        key: value if key in texts else _json_or_text(value) for key, value in parse(given).items()
    }


def shown(values: Mapping[str, Json]) -> str:
    """The values as `key=value` pairs in one line."""
    return " ".join(f"{key}={_text(value)}" for key, value in values.items())


def _split(pair: str) -> tuple[str, str]:
    key, separator, value = pair.partition("=")
    if not separator or not key:
        raise InvalidInput(f"{pair!r} is not of the form key=value")
    return key, value


def _json_or_text(value: str) -> Json:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # the API refuses values that are nested so deeply
        return value


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parse_object(text: str | None, *, option: str) -> dict[str, Json] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{option} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{option} must be a JSON object")
    return found


def check_exchange(name: str) -> str:
    """Check the name of an exchange like a WorkerPool's field. Raises `BadParameter`."""
    from app.control.pool import references  # imports pydantic, which help texts do not need

    return _checked(
        name, references.Exchange, "blanks and * ? [ ] \\ have a special meaning in channel names"
    )


def check_fanout_prefix(prefix: str) -> str:
    """Check a `fanout_prefix`; empty if the application disables it. Raises `BadParameter`."""
    from app.control.pool import references  # as above

    return _checked(
        prefix,
        references.FanoutPrefix,
        "it starts with a slash and ends with its only dot, as /{db}. does; empty if "
        "fanout_prefix is False",
    )


def _checked(value: str, kind: Any, rule: str) -> str:  # Any: an annotated str
    from pydantic import TypeAdapter, ValidationError  # as above

    try:
        return str(TypeAdapter[str](kind).validate_python(value))
    except ValidationError:
        raise typer.BadParameter(f"{value!r} is not valid: {rule}") from None


EventExchangeOption = Annotated[
    str,
    typer.Option(callback=check_exchange, help="`event_exchange` of the application."),
]
ControlExchangeOption = Annotated[
    str,
    typer.Option(callback=check_exchange, help="`control_exchange` of the application."),
]
