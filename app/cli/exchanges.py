"""Checks options that name an application's exchanges as the WorkerPool's fields are checked."""

from typing import Any

import typer


def check_exchange(name: str) -> str:
    """The name of an exchange. Raises `BadParameter`."""
    from app.control.pool import spec  # brings pydantic, which no help text needs

    return _checked(name, spec.Exchange, "blanks and * ? [ ] \\ have a meaning in channel names")


def check_fanout_prefix(prefix: str) -> str:
    """A `fanout_prefix`; empty where the application has turned it off. Raises `BadParameter`."""
    from app.control.pool import spec  # as above

    return _checked(
        prefix,
        spec.FanoutPrefix,
        "it starts with a slash and ends with its only dot, as /{db}. does; empty where "
        "fanout_prefix is False",
    )


def _checked(value: str, kind: Any, rule: str) -> str:  # Any: an annotated str
    from pydantic import TypeAdapter, ValidationError  # as above

    try:
        return str(TypeAdapter[str](kind).validate_python(value))
    except ValidationError:
        raise typer.BadParameter(f"{value!r} does not fit: {rule}") from None
