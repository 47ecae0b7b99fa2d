"""Store a notification and deliver it once on each of its channels."""

from app.errors import InvalidInput, PermanentError, RetryableError
from app.jobs.model.work import Work
from app.pipelines import webhook
from app.pipelines.notification import mail
from app.pipelines.notification.schema import ChannelDelivery, NotificationParams, Sent
from app.settings import NotifySettings
from app.storage.notification_store import (
    Channel,
    Delivery,
    DeliveryState,
    NewNotification,
    Notification,
)

EVERY_OTHER = "*"


def choose_targets(params: NotificationParams, settings: NotifySettings) -> dict[Channel, str]:
    """The address of each channel to use.

    Raises InvalidInput for a requested channel without an address.
    """
    known = known_addresses(params, settings)
    asked = params.channels
    if asked is None:
        of_type = settings.channels.get(
            params.notification_type, settings.channels.get(EVERY_OTHER)
        )
        wanted = [Channel(name) for name in of_type] if of_type is not None else list(Channel)
        return {channel: known[channel] for channel in wanted if channel in known}
    missing = [channel for channel in asked if channel not in known]
    if missing:
        raise InvalidInput(_missing(missing[0], settings))
    return {channel: known[channel] for channel in asked}


def known_addresses(params: NotificationParams, settings: NotifySettings) -> dict[Channel, str]:
    """The address of each configured channel."""
    url = params.webhook_url if params.webhook_url is not None else settings.webhook_url
    mailbox = params.email if params.email is not None else settings.email_to
    found = {
        Channel.WEBHOOK: str(url) if url is not None and settings.webhook_secrets else None,
        Channel.EMAIL: mailbox if settings.smtp_host is not None else None,
    }
    return {channel: address for channel, address in found.items() if address is not None}


def _missing(channel: Channel, settings: NotifySettings) -> str:
    match channel:
        case Channel.WEBHOOK if not settings.webhook_secrets:
            return "webhooks must be signed: set NOTIFY_WEBHOOK_SECRETS"
        case Channel.WEBHOOK:
            return "no webhook_url is given, and the server has no NOTIFY_WEBHOOK_URL"
        case Channel.EMAIL if settings.smtp_host is None:
            return "no mail server is configured: set SMTP_HOST"
        case _:
            return "no email is given, and the server has no NOTIFY_EMAIL_TO"


EVENT_TYPE = "notification.created"


def send(params: NotificationParams, work: Work, *, key: str) -> Sent:
    """Notify a user. Attempts with the same key deliver it once per channel.

    Tries every channel, then raises a retryable error of one, else a permanent one. Raises the
    errors of `check`.
    """
    targets = choose_targets(params, work.settings.notify)
    notification = work.stores.notifications.ensure(
        NewNotification(
            key=key,
            user_id=params.user_id,
            type=params.notification_type,
            title=params.title,
            message=params.message,
            data=params.data,
            job_id=work.job_id,
        ),
        targets,
    )
    errors = [_attempt(notification, one, work) for one in notification.deliveries]
    _raise_worst([error for error in errors if error is not None])
    work.progress(100, "delivered")
    return _sent(work.stores.notifications.get(notification.id))


def _attempt(notification: Notification, delivery: Delivery, work: Work) -> Exception | None:
    """Deliver on one channel unless that is done. Return the error of a failure."""
    if delivery.state is DeliveryState.DELIVERED:
        return None
    if delivery.state is DeliveryState.FAILED and work.attempt > 1:  # else the job was retried
        return PermanentError(f"{delivery.channel}: {delivery.error}")
    work.check()
    note = work.stores.notifications.attempted
    channel = delivery.channel
    try:
        _deliver(notification, delivery, work)
    except PermanentError as error:
        note(notification.id, channel, state=DeliveryState.FAILED, error=error.client_message)
        return error
    except RetryableError as error:
        note(notification.id, channel, state=DeliveryState.PENDING, error=error.client_message)
        return error
    note(notification.id, channel, state=DeliveryState.DELIVERED)
    return None


def _deliver(notification: Notification, delivery: Delivery, work: Work) -> None:
    work.progress(10, delivery.channel.value)
    match delivery.channel:
        case Channel.WEBHOOK:
            webhook.deliver(delivery.target, event_of(notification), work)
        case Channel.EMAIL:
            settings = work.settings.notify
            written = mail.write_letter(
                notification,
                to=delivery.target,
                sender=settings.smtp_from,
                templates=settings.templates_dir,
            )
            mail.send_letter(written, settings)


def event_of(notification: Notification) -> webhook.WebhookEvent:
    """The webhook's event. Its id is that of the notification, at each attempt."""
    return webhook.WebhookEvent(
        id=notification.id,
        type=EVENT_TYPE,
        at=notification.created_at,
        data={
            "id": notification.id,
            "user_id": notification.user_id,
            "notification_type": notification.type,
            "title": notification.title,
            "message": notification.message,
            "data": notification.data,
            "job_id": notification.job_id,
            "created_at": notification.created_at.isoformat(),
        },
    )


def _raise_worst(errors: list[Exception]) -> None:
    """Raise a retryable error first: the last attempt reports the permanent one."""
    for error in sorted(errors, key=lambda found: not isinstance(found, RetryableError)):
        raise error


def _sent(notification: Notification) -> Sent:
    return Sent(
        notification_id=notification.id,
        deliveries=tuple(
            ChannelDelivery(channel=one.channel, state=one.state, attempts=one.attempts)
            for one in notification.deliveries
        ),
    )
