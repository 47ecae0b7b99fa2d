"""Counts over a span of time: sources and their chunks, notifications and their deliveries."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from app.storage import schema
from app.storage.engine import Database
from app.storage.moments import Span

_sources = schema.sources
_chunks = schema.chunks
_notifications = schema.notifications
_deliveries = schema.notification_deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFigures:
    """Sources that were added in the span, and what they hold now."""

    by_status: dict[str, int]
    chunks: int
    """In the platform's own database."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFigures:
    """Notifications of the span, and what became of them."""

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
        where: list[ColumnElement[bool]] = [span.holds(_sources.c.created_at)]
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
        """Of all users: no bot is known of a notification."""
        within = span.holds(_notifications.c.created_at)
        by_type = (
            select(_notifications.c.type, func.count())
            .where(within)
            .group_by(_notifications.c.type)
        )
        unread = select(func.count()).where(within, _notifications.c.read_at.is_(None))
        carried = (
            select(_deliveries.c.channel, _deliveries.c.state, func.count())
            .join(_notifications, _deliveries.c.notification_id == _notifications.c.id)
            .where(within)
            .group_by(_deliveries.c.channel, _deliveries.c.state)
        )
        deliveries: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            counted = {row[0]: row[1] for row in connection.execute(by_type)}
            waiting = connection.execute(unread).scalar_one()
            for channel, state, count in connection.execute(carried):
                deliveries.setdefault(channel, {})[state] = count
        return NotificationFigures(by_type=counted, unread=waiting, deliveries=deliveries)
