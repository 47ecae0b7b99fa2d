"""Notifications of users, and disabled webhooks."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.json_values import ShownObject, ShownText
from app.api.requests import PAGE_LIMIT, RequestBody, Text
from app.api.services import ServicesParam
from app.api.views import Listing, View
from app.pipelines.parameters import WebAddress
from app.storage.notification_store import Channel, DeliveryState, Notification, NotificationFilter


class DeliveryView(View):
    """The delivery of a notification through one channel."""

    channel: Channel
    state: DeliveryState
    attempts: int
    error: ShownText | None = Field(description="Why the last attempt failed.")
    updated_at: datetime
    delivered_at: datetime | None


class NotificationView(View):
    """A notification to a user."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    data: ShownObject
    job_id: str | None
    created_at: datetime
    read_at: datetime | None = Field(description="Null if unread.")
    deliveries: tuple[DeliveryView, ...]

    @classmethod
    def of(cls, notification: Notification) -> "NotificationView":
        return cls.model_validate(notification)


class DisabledWebhookView(View):
    """A webhook that is no longer sent to."""

    url: str
    reason: str
    disabled_at: datetime


router = APIRouter(tags=["notifications"])

NotificationId = Annotated[uuid.UUID, Path(description="The notification's id.")]


class NotificationQuery(BaseModel):
    """Filters of `GET /notifications`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: Text | None = Field(None, description="Only notifications to this user.")
    type: Text | None = Field(None, description="Only notifications of this type.")
    unread: bool = Field(default=False, description="Only unread notifications.")
    cursor: uuid.UUID | None = Field(None, description="`next_cursor` of the previous page.")
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)

    @property
    def filter(self) -> NotificationFilter:
        return NotificationFilter(
            user_id=self.user_id, type=self.type, is_read=False if self.unread else None
        )


class ReadAll(RequestBody):
    """The user whose notifications to mark."""

    user_id: Annotated[Text, Field(min_length=1)]


class Marked(BaseModel):
    """How many notifications changed."""

    marked: int


class WebhookAddress(RequestBody):
    """The address of a webhook."""

    url: WebAddress


@router.get("/notifications")
def list_notifications(
    services: ServicesParam, wanted: Annotated[NotificationQuery, Query()]
) -> Listing[NotificationView]:
    """List notifications, newest first."""
    cursor = str(wanted.cursor) if wanted.cursor is not None else None
    page = services.stores.notifications.list(wanted.filter, cursor=cursor, limit=wanted.limit)
    return Listing(
        items=tuple(map(NotificationView.of, page.notifications)), next_cursor=page.next_cursor
    )


@router.post("/notifications:read-all")
def read_all(body: ReadAll, services: ServicesParam) -> Marked:
    """Mark all notifications of a user as read."""
    return Marked(marked=services.stores.notifications.mark_all_read(body.user_id))


@router.get("/notifications/{notification_id:uuid}")
def get_notification(notification_id: NotificationId, services: ServicesParam) -> NotificationView:
    """Get a notification and its delivery on each channel."""
    return NotificationView.of(services.stores.notifications.get(str(notification_id)))


@router.post("/notifications/{notification_id:uuid}:read")
def mark_read(notification_id: NotificationId, services: ServicesParam) -> NotificationView:
    """Mark a notification as read."""
    return _marked(notification_id, services, is_read=True)


@router.post("/notifications/{notification_id:uuid}:unread")
def mark_unread(notification_id: NotificationId, services: ServicesParam) -> NotificationView:
    """Mark a notification as unread."""
    return _marked(notification_id, services, is_read=False)


@router.get("/webhooks/disabled")
def list_disabled_webhooks(services: ServicesParam) -> Listing[DisabledWebhookView]:
    """List webhooks that were disabled because they answered 410 Gone."""
    found = services.stores.disabled_webhooks.list()
    return Listing(items=tuple(map(DisabledWebhookView.model_validate, found)))


@router.post("/webhooks:enable", status_code=204)
def enable_webhook(body: WebhookAddress, services: ServicesParam) -> None:
    """Enable a disabled webhook."""
    services.stores.disabled_webhooks.enable(str(body.url))


def _marked(given: uuid.UUID, services: ServicesParam, *, is_read: bool) -> NotificationView:
    return NotificationView.of(services.stores.notifications.mark(str(given), is_read=is_read))
