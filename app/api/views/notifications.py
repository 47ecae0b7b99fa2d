"""What users were told, and where it could not be said."""

from datetime import datetime

from pydantic import Field

from app.api.plain import ShownObject, ShownText
from app.api.views.view import View
from app.storage.notifications import Channel, DeliveryState, Notification


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
