"""Texts inside of JSON columns, read by the database itself."""

from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Text, cast, func

_UNREADABLE = r"(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
r"""Escapes that PostgreSQL keeps and cannot read: NUL, and surrogates, those of pairs as well.
After an escaped backslash it is none: `\\u0000` is a backslash and more."""


def text_at(column: Column[Any], key: str, *, dialect: str) -> ColumnElement[str]:
    """The text under a key of a JSON object, with "?" for what PostgreSQL cannot read."""
    if dialect == "sqlite":
        plain: ColumnElement[str] = column[key].as_string()
        return plain
    readable = func.regexp_replace(cast(column, Text), _UNREADABLE, r"\1?", "g")
    found: ColumnElement[str] = cast(readable, JSON)[key].as_string()
    return found
