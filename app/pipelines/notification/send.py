"""Store a notification, and deliver it on each of its channels once."""

from app.errors import InvalidInput, PermanentError, RetryableError
from app.jobs.model.work import Work
from app.pipelines import webhook
from app.pipelines.notification import mail
from app.pipelines.notification.schema import Carried, NotificationParams, Sent
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
    """An address for each channel that is to carry the notification.

    Raises InvalidInput when a channel is asked for by name that has none.
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
    """Where each channel would lead; one that is not configured is left out."""
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
            return "no webhook is sent unsigned: set NOTIFY_WEBHOOK_SECRETS"
        case Channel.WEBHOOK:
            return "no webhook_url is given, and the server has no NOTIFY_WEBHOOK_URL"
        case Channel.EMAIL if settings.smtp_host is None:
            return "no mail server is configured: set SMTP_HOST"
        case _:
            return "no email is given, and the server has no NOTIFY_EMAIL_TO"


EVENT_TYPE = "notification.created"


def send(params: NotificationParams, work: Work, *, key: str) -> Sent:
    """Tell a user something, at every attempt with this key the same thing once.

    A channel that has carried it is left alone by further attempts. Raises what the work raises to
    stop; when every channel had its turn, the error of one that may heal, else of one that failed
    for good.
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
    """Deliver on one channel, where that is still to be done; the error when it failed."""
    if delivery.state is DeliveryState.DELIVERED:
        return None
    if delivery.state is DeliveryState.FAILED and work.attempt > 1:  # else it was taken up again
        return PermanentError(f"{delivery.channel}: {delivery.error}")
    work.check()
    note = work.stores.notifications.attempted
    channel = delivery.channel
    try:
        _deliver(notification, delivery, work)
    except PermanentError as error:
        note(notification.id, channel, state=DeliveryState.FAILED, error=str(error))
        return error
    except RetryableError as error:
        note(notification.id, channel, state=DeliveryState.PENDING, error=str(error))
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


def event_of(notification: Notification) -> webhook.Event:
    """What the webhook tells; its id is the notification's, at every attempt."""
    return webhook.Event(
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
    """While a channel may heal the work is tried again; what failed for good is told at the end."""
    for error in sorted(errors, key=lambda found: not isinstance(found, RetryableError)):
        raise error


def _sent(notification: Notification) -> Sent:
    return Sent(
        notification_id=notification.id,
        deliveries=tuple(
            Carried(channel=one.channel, state=one.state, attempts=one.attempts)
            for one in notification.deliveries
        ),
    )
