"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeDecorator, TypeEngine


class Moment(TypeDecorator[datetime]):
    """An aware moment: `timestamptz` on PostgreSQL, UTC text that sorts on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text without NUL and halves of surrogate pairs, which PostgreSQL refuses.

    Both occur in damaged documents and in the output of programs.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


class Terms(TypeDecorator[str]):
    """Words separated by spaces: text for the full-text index of SQLite; on PostgreSQL a `tsvector`
    of exactly these words, since its parser would split texts differently."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # of either type
        native = TSVECTOR() if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(native)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        positions: dict[str, list[int]] = {}
        for position, term in enumerate(value.split(), start=1):
            positions.setdefault(term, []).append(min(position, MAX_POSITION))
        return " ".join(
            f"'{term}':{','.join(map(str, found[:MAX_POSITIONS]))}"
            for term, found in positions.items()
        )


MAX_POSITION, MAX_POSITIONS = 16_383, 255
"""Limit of positions in a `tsvector`: later ones count as the last one."""


def clean(text: str) -> str:
    """
    >>> clean("a\\x00b\\ud800")
    'ab?'
    """
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
