"""Disabled webhooks: their servers have answered 410 Gone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, true

from app.errors import Conflict, NotFound
from app.storage import ownership, schema
from app.storage.engine import Database

_disabled = schema.disabled_webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledWebhook:
    """A webhook to which nothing is sent."""

    url: str
    reason: str
    disabled_at: datetime


class DisabledWebhooks:
    """The disabled webhooks, by URL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, url: str) -> DisabledWebhook | None:
        """This webhook, if it is disabled for the present owner."""
        stored = ownership.current().own_name(url)
        query = select(_disabled).where(_disabled.c.url == stored)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _webhook(row)

    def list(self, *, limit: int = 1000) -> tuple[DisabledWebhook, ...]:
        """The visible ones, the last disabled first."""
        query = select(_disabled).where(_visible()).order_by(_disabled.c.disabled_at.desc())
        with self._database.read() as connection:
            return tuple(map(_webhook, connection.execute(query.limit(limit))))

    def disable(self, url: str, *, reason: str) -> None:
        """Disable a webhook for the present owner."""
        stored = ownership.current().own_name(url)
        row = {"url": stored, "reason": reason, "disabled_at": datetime.now(UTC)}
        try:
            with self._database.write() as connection:
                connection.execute(insert(_disabled).values(row))
        except Conflict:
            return  # another worker has disabled it

    def enable(self, url: str) -> None:
        """Enable a webhook again. Raises NotFound if it is not disabled."""
        named = or_(
            _disabled.c.url == url,
            _disabled.c.url.endswith(f"{ownership.SEPARATOR}{url}", autoescape=True),
        )
        with self._database.write() as connection:
            gone = connection.execute(delete(_disabled).where(named, _visible()))
        if not gone.rowcount:
            raise NotFound("no such disabled webhook")


def _visible() -> ColumnElement[bool]:
    scope = ownership.current()
    if scope.sees_all:
        return true()
    return _disabled.c.url.startswith(scope.own_name(""), autoescape=True)


def _webhook(row: Row[Any]) -> DisabledWebhook:  # one row of the table
    return DisabledWebhook(
        url=ownership.plain_name(row.url), reason=row.reason, disabled_at=row.disabled_at
    )
