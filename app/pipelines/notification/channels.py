"""Which channels carry a notification, and where to: pure."""

from app.errors import InvalidInput
from app.pipelines.notification.schema import NotificationParams
from app.settings import NotifySettings
from app.storage.notifications import Channel

EVERY_OTHER = "*"


def targets(params: NotificationParams, settings: NotifySettings) -> dict[Channel, str]:
    """An address for each channel that is to carry the notification.

    Raises InvalidInput when a channel is asked for by name that has none.
    """
    known = addresses(params, settings)
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


def addresses(params: NotificationParams, settings: NotifySettings) -> dict[Channel, str]:
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
