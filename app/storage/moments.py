"""Arithmetic with moments that SQLite and PostgreSQL spell differently."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Float, Text, cast, func


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, its end not included."""

    since: datetime
    until: datetime

    def holds(self, column: Column[Any]) -> ColumnElement[bool]:  # of a Moment
        """The condition that the column's moment lies in it."""
        return (column >= self.since) & (column < self.until)


def seconds_between(start: Column[Any], end: Column[Any], *, dialect: str) -> ColumnElement[float]:
    """From one moment to another, in seconds. (SQLite's days are doubles: to 0.1 ms.)"""
    if dialect == "sqlite":
        return (func.julianday(end) - func.julianday(start)) * 86_400.0
    return cast(func.extract("epoch", end) - func.extract("epoch", start), Float)


def day_of(column: Column[Any], *, dialect: str) -> ColumnElement[str]:
    """The moment's day in UTC, as `2026-01-31`."""
    if dialect == "sqlite":
        return cast(func.date(column), Text)
    return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD")
