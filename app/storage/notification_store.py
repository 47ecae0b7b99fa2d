"""Notifications of users: content, whether they were read, and their delivery on each channel."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    case,
    cast,
    func,
    insert,
    null,
    select,
    update,
)

from app.errors import Conflict, NotFound
from app.storage import ownership, schema
from app.storage.engine import Database

_notifications = schema.notifications
_deliveries = schema.notification_deliveries

LISTED_DATA_CHARACTERS = 100_000
"""Of one notification in a listing: more than new ones may have, but rows from before that limit
held megabytes."""

OMITTED = {"omitted": "too large for a listing; the notification by its id has it"}

_LISTED = (
    *(column for column in _notifications.c if column is not _notifications.c.data),
    case(
        (func.length(cast(_notifications.c.data, Text)) > LISTED_DATA_CHARACTERS, null()),
        else_=_notifications.c.data,
    ).label("data"),
)


class Channel(StrEnum):
    """A channel of notifications."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliveryState(StrEnum):
    """The state of a delivery on one channel."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Permanently: a retry would fail too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The delivery of a notification on one channel."""

    channel: Channel
    target: str
    """A URL, or an e-mail address."""
    state: DeliveryState
    attempts: int
    error: str | None
    """Why the last attempt failed, for people."""
    updated_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """A notification to create."""

    key: str
    """The same for every attempt."""
    user_id: str
    type: str
    title: str
    message: str
    data: dict[str, Any]  # JSON
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A stored notification."""

    id: str
    """UUIDv7: ids sort by time."""
    owner: str
    key: str
    user_id: str
    type: str
    title: str
    message: str
    data: dict[str, Any]  # JSON
    job_id: str | None
    created_at: datetime
    read_at: datetime | None
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """A filter for listings; `None` matches everything."""

    user_id: str | None = None
    type: str | None = None
    is_read: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationPage:
    """Notifications, newest first, and where the next page begins."""

    notifications: tuple[Notification, ...]
    next_cursor: str | None


class NotificationStore:
    """Notifications by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, new: NewNotification, targets: Mapping[Channel, str]) -> Notification:
        """Get or create the notification with this key and a delivery for each target.

        An existing notification and finished deliveries do not change. Others get the current
        target, which may have been fixed since.
        """
        try:
            return self._add(new, targets)
        except Conflict:  # an earlier attempt, or a concurrent one
            with self._database.write() as connection:
                known = _one(connection, _notifications.c.key == new.key)
                _aim(connection, known, targets)
                return _one(connection, _notifications.c.key == new.key)

    def get(self, notification_id: str) -> Notification:
        """Raises NotFound."""
        with self._database.read() as connection:
            return _one(connection, _notifications.c.id == notification_id)

    def list(
        self, wanted: NotificationFilter, *, cursor: str | None = None, limit: int = 50
    ) -> NotificationPage:
        """A page of notifications, newest first."""
        where = _conditions(wanted)
        if cursor is not None:
            where.append(_notifications.c.id < cursor)
        query = select(*_LISTED).where(*where).order_by(_notifications.c.id.desc())
        with self._database.read() as connection:
            found = _with_deliveries(connection, connection.execute(query.limit(limit + 1)).all())
        page = tuple(found[:limit])
        return NotificationPage(
            notifications=page, next_cursor=page[-1].id if len(found) > limit else None
        )

    def mark(self, notification_id: str, *, is_read: bool) -> Notification:
        """Mark it as read or unread. One that is already read keeps its time. Raises NotFound."""
        where = [_notifications.c.id == notification_id, ownership.visible(_notifications)]
        if is_read:
            where.append(_notifications.c.read_at.is_(None))
        read_at = datetime.now(UTC) if is_read else None
        with self._database.write() as connection:
            connection.execute(update(_notifications).where(*where).values(read_at=read_at))
            return _one(connection, _notifications.c.id == notification_id)

    def mark_all_read(self, user_id: str) -> int:
        """Mark all as read; returns how many were unread."""
        where = _conditions(NotificationFilter(user_id=user_id, is_read=False))
        with self._database.write() as connection:
            changed = connection.execute(
                update(_notifications).where(*where).values(read_at=datetime.now(UTC))
            )
            return changed.rowcount

    def attempted(
        self,
        notification_id: str,
        channel: Channel,
        *,
        state: DeliveryState,
        error: str | None = None,
    ) -> None:
        """Store the outcome of an attempt on one channel. A finished delivery does not change."""
        now = datetime.now(UTC)
        values = {
            "state": state.value,
            "attempts": _deliveries.c.attempts + 1,
            "error": error,
            "updated_at": now,
            "delivered_at": now if state is DeliveryState.DELIVERED else None,
        }
        with self._database.write() as connection:
            connection.execute(
                update(_deliveries)
                .where(
                    _deliveries.c.notification_id == notification_id,
                    _deliveries.c.channel == channel.value,
                    _deliveries.c.state != DeliveryState.DELIVERED.value,
                )
                .values(values)
            )

    def _add(self, new: NewNotification, targets: Mapping[Channel, str]) -> Notification:
        now = datetime.now(UTC)
        own_id = str(uuid_utils.uuid7())
        row = {
            "id": own_id,
            "owner": ownership.current().owner,
            "key": new.key,
            "user_id": new.user_id,
            "type": new.type,
            "title": new.title,
            "message": new.message,
            "data": new.data,
            "job_id": new.job_id,
            "created_at": now,
        }
        with self._database.write() as connection:
            connection.execute(insert(_notifications).values(row))
            if targets:
                connection.execute(insert(_deliveries), _delivery_rows(own_id, targets, now))
            return _one(connection, _notifications.c.id == own_id)


def _aim(connection: Connection, known: Notification, targets: Mapping[Channel, str]) -> None:
    """Make the deliveries that are not done yet those of the targets."""
    there = {delivery.channel for delivery in known.deliveries}
    missing = {channel: target for channel, target in targets.items() if channel not in there}
    if missing:
        connection.execute(
            insert(_deliveries), _delivery_rows(known.id, missing, datetime.now(UTC))
        )
    for channel, target in targets.items():
        connection.execute(
            update(_deliveries)
            .where(
                _deliveries.c.notification_id == known.id,
                _deliveries.c.channel == channel.value,
                _deliveries.c.target != target,
                _deliveries.c.state != DeliveryState.DELIVERED.value,
            )
            .values(target=target)
        )


def _delivery_rows(
    notification_id: str, targets: Mapping[Channel, str], now: datetime
) -> list[dict[str, Any]]:  # columns of several types
    return [
        {
            "notification_id": notification_id,
            "channel": channel.value,
            "target": target,
            "state": DeliveryState.PENDING.value,
            "attempts": 0,
            "updated_at": now,
        }
        for channel, target in targets.items()
    ]


def _conditions(wanted: NotificationFilter) -> list[ColumnElement[bool]]:
    found = [ownership.visible(_notifications)]
    if wanted.user_id is not None:
        found.append(_notifications.c.user_id == wanted.user_id)
    if wanted.type is not None:
        found.append(_notifications.c.type == wanted.type)
    if wanted.is_read is not None:
        column = _notifications.c.read_at
        found.append(column.is_not(None) if wanted.is_read else column.is_(None))
    return found


def _one(connection: Connection, where: ColumnElement[bool]) -> Notification:
    visible = ownership.visible(_notifications)
    found = connection.execute(select(_notifications).where(where, visible)).all()
    if not found:
        raise NotFound("no such notification")
    return _with_deliveries(connection, found)[0]


def _with_deliveries(connection: Connection, found: Sequence[Row[Any]]) -> list[Notification]:
    """Any: columns of several types."""
    query = (
        select(_deliveries)
        .where(_deliveries.c.notification_id.in_([row.id for row in found]))
        .order_by(_deliveries.c.channel.desc())
    )
    deliveries: dict[str, list[Delivery]] = defaultdict(list)
    for row in connection.execute(query):
        values = dict(row._mapping)
        own_id = values.pop("notification_id")
        channel, state = Channel(values.pop("channel")), DeliveryState(values.pop("state"))
        deliveries[own_id].append(Delivery(**values, channel=channel, state=state))
    return [_notification(row, tuple(deliveries[row.id])) for row in found]


def _notification(row: Row[Any], deliveries: tuple[Delivery, ...]) -> Notification:
    values = dict(row._mapping)
    if values["data"] is None:  # too large for a listing
        values["data"] = OMITTED
    return Notification(**values, deliveries=deliveries)
