"""Disabled webhooks: their servers have answered 410 Gone."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from app.errors import Conflict, NotFound
from app.storage import schema
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
        with self._database.read() as connection:
            row = connection.execute(select(_disabled).where(_disabled.c.url == url)).one_or_none()
        return None if row is None else DisabledWebhook(**row._mapping)

    def list(self, *, limit: int = 1000) -> tuple[DisabledWebhook, ...]:
        """All of them, the last disabled first."""
        query = select(_disabled).order_by(_disabled.c.disabled_at.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(DisabledWebhook(**row._mapping) for row in connection.execute(query))

    def disable(self, url: str, *, reason: str) -> None:
        """Disable a webhook."""
        row = {"url": url, "reason": reason, "disabled_at": datetime.now(UTC)}
        try:
            with self._database.write() as connection:
                connection.execute(insert(_disabled).values(row))
        except Conflict:
            return  # another worker has disabled it

    def enable(self, url: str) -> None:
        """Enable a webhook again. Raises NotFound if it is not disabled."""
        with self._database.write() as connection:
            gone = connection.execute(delete(_disabled).where(_disabled.c.url == url))
        if not gone.rowcount:
            raise NotFound("no such disabled webhook")
