"""What users were told, read or unread; and the webhooks that are gone."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.json_values import ShownObject, ShownText
from app.api.requests import PAGE_LIMIT, RequestBody, Text, WebAddress
from app.api.services import ServicesParam
from app.api.views import Listing, View
from app.storage.notifications import Channel, DeliveryState, Notification, NotificationFilter


class DeliveryView(View):
    """A notification on its way through one channel."""

    channel: Channel
    state: DeliveryState
    attempts: int
    error: ShownText | None = Field(description="Why the last attempt failed.")
    updated_at: datetime
    delivered_at: datetime | None


class NotificationView(View):
    """What a user was told."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    data: ShownObject  # as the sender gave it
    job_id: str | None
    created_at: datetime
    read_at: datetime | None = Field(description="Null while it is unread.")
    deliveries: tuple[DeliveryView, ...]

    @classmethod
    def of(cls, notification: Notification) -> "NotificationView":
        return cls.model_validate(notification)


class DisabledWebhookView(View):
    """An address that nothing is sent to."""

    url: str
    reason: str
    disabled_at: datetime


router = APIRouter(tags=["notifications"])

NotificationId = Annotated[uuid.UUID, Path(description="The notification's id.")]


class NotificationQuery(BaseModel):
    """Filters of `GET /notifications`. What is not given does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: Text | None = Field(None, description="Only this user's.")
    type: Text | None = Field(None, description="Only those of this type.")
    unread: bool = Field(default=False, description="Only those that are not read.")
    cursor: uuid.UUID | None = Field(None, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)

    @property
    def filter(self) -> NotificationFilter:
        return NotificationFilter(
            user_id=self.user_id, type=self.type, is_read=False if self.unread else None
        )


class ReadAll(RequestBody):
    """Whose notifications are read."""

    user_id: Annotated[Text, Field(min_length=1)]


class Marked(BaseModel):
    """How many changed."""

    marked: int


class WebhookAddress(RequestBody):
    """Which webhook."""

    url: WebAddress


@router.get("/notifications")
def list_notifications(
    services: ServicesParam, wanted: Annotated[NotificationQuery, Query()]
) -> Listing[NotificationView]:
    """Notifications, newest first."""
    cursor = str(wanted.cursor) if wanted.cursor is not None else None
    page = services.platform.notifications.list(wanted.filter, cursor=cursor, limit=wanted.limit)
    return Listing(
        items=tuple(map(NotificationView.of, page.notifications)), next_cursor=page.next_cursor
    )


@router.post("/notifications:read-all")
def read_all(body: ReadAll, services: ServicesParam) -> Marked:
    """The user has read everything."""
    return Marked(marked=services.platform.notifications.mark_all_read(body.user_id))


@router.get("/notifications/{notification_id:uuid}")
def get_notification(notification_id: NotificationId, services: ServicesParam) -> NotificationView:
    """A notification, with how far it got on each channel."""
    return NotificationView.of(services.platform.notifications.get(str(notification_id)))


@router.post("/notifications/{notification_id:uuid}:read")
def mark_read(notification_id: NotificationId, services: ServicesParam) -> NotificationView:
    """Its user has read it."""
    return _marked(notification_id, services, is_read=True)


@router.post("/notifications/{notification_id:uuid}:unread")
def mark_unread(notification_id: NotificationId, services: ServicesParam) -> NotificationView:
    """Its user has not read it after all."""
    return _marked(notification_id, services, is_read=False)


@router.get("/webhooks/disabled")
def list_disabled_webhooks(services: ServicesParam) -> Listing[DisabledWebhookView]:
    """Addresses that answered 410 Gone: nothing is sent there."""
    found = services.platform.disabled_webhooks.list()
    return Listing(items=tuple(map(DisabledWebhookView.model_validate, found)))


@router.post("/webhooks:enable", status_code=204)
def enable_webhook(body: WebhookAddress, services: ServicesParam) -> None:
    """Send to a disabled address again."""
    services.platform.disabled_webhooks.enable(str(body.url))


def _marked(given: uuid.UUID, services: ServicesParam, *, is_read: bool) -> NotificationView:
    return NotificationView.of(services.platform.notifications.mark(str(given), is_read=is_read))
