"""Counts over a time span, and expressions for them that differ on SQLite and PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Float, Text, and_, cast, func, select

from app.storage import ownership, schema
from app.storage.engine import Database

_sources = schema.sources
_chunks = schema.chunks
_notifications = schema.notifications
_deliveries = schema.notification_deliveries

_UNREADABLE = r"(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
r"""Escapes that PostgreSQL stores and cannot decode: NUL and surrogates, also in pairs. An escaped
backslash before them makes them plain text: `\\u0000`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time span, without its end."""

    since: datetime
    until: datetime

    def holds(self, column: Column[Any]) -> ColumnElement[bool]:  # of a Moment
        """The condition that the column's time is in the span."""
        return (column >= self.since) & (column < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFigures:
    """Sources that were added in the span, and their current content."""

    by_status: dict[str, int]
    chunks: int
    """In the platform's own database."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFigures:
    """Notifications of the span with their deliveries."""

    by_type: dict[str, int]
    unread: int
    deliveries: dict[str, dict[str, int]]
    """By channel and state."""


class Statistics:
    """Reads counts; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sources(self, span: Span, *, chatbot_id: str | None) -> SourceFigures:
        """Of one bot, or of all."""
        where = [span.holds(_sources.c.created_at), ownership.visible(_sources)]
        if chatbot_id is not None:
            where.append(_sources.c.chatbot_id == chatbot_id)
        by_status = (
            select(_sources.c.status, func.count()).where(*where).group_by(_sources.c.status)
        )
        held = (
            select(func.count(), func.coalesce(func.sum(_chunks.c.tokens), 0))
            .select_from(_chunks.join(_sources, _chunks.c.source_id == _sources.c.id))
            .where(*where)
        )
        with self._database.read() as connection:
            counted = {row[0]: row[1] for row in connection.execute(by_status)}
            chunks, tokens = connection.execute(held).one()
        return SourceFigures(by_status=counted, chunks=chunks, tokens=int(tokens))

    def notifications(self, span: Span) -> NotificationFigures:
        """The figures of all users, since notifications do not belong to bots."""
        within = and_(span.holds(_notifications.c.created_at), ownership.visible(_notifications))
        by_type = (
            select(_notifications.c.type, func.count())
            .where(within)
            .group_by(_notifications.c.type)
        )
        unread = select(func.count()).where(within, _notifications.c.read_at.is_(None))
        by_delivery = (
            select(_deliveries.c.channel, _deliveries.c.state, func.count())
            .join(_notifications, _deliveries.c.notification_id == _notifications.c.id)
            .where(within)
            .group_by(_deliveries.c.channel, _deliveries.c.state)
        )
        deliveries: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            counted = {row[0]: row[1] for row in connection.execute(by_type)}
            waiting = connection.execute(unread).scalar_one()
            for channel, state, count in connection.execute(by_delivery):
                deliveries.setdefault(channel, {})[state] = count
        return NotificationFigures(by_type=counted, unread=waiting, deliveries=deliveries)


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


def text_at(column: Column[Any], key: str, *, dialect: str) -> ColumnElement[str]:
    """The text under a key of a JSON object, with "?" for what PostgreSQL cannot read."""
    if dialect == "sqlite":
        plain: ColumnElement[str] = column[key].as_string()
        return plain
    readable = func.regexp_replace(cast(column, Text), _UNREADABLE, r"\1?", "g")
    found: ColumnElement[str] = cast(readable, JSON)[key].as_string()
    return found
