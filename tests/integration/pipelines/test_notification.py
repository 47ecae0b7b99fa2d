"""Notifications at a real receiver and a real mail server."""

from collections.abc import Iterator

import pytest

from app.errors import AddressRefused, Cancelled, InvalidInput, RetryableError
from app.pipelines.notification import send
from app.pipelines.notification.post import MailRefused
from app.pipelines.notification.schema import NotificationParams, Sent
from app.pipelines.webhook import WebhookGone
from app.storage.notifications import Channel, Delivery, DeliveryState, NotificationFilter
from tests.integration.pipelines.desk import Desk, OpenDesk
from tests.sites import mailbox as mailboxes
from tests.sites import receiver as receivers
from tests.sites.mailbox import Mailbox
from tests.sites.receiver import Receiver

HOSTILE = "Ready\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>"


@pytest.fixture(scope="module")
def standing_receiver() -> Iterator[Receiver]:
    with receivers.receive() as found:
        yield found


@pytest.fixture
def receiver(standing_receiver: Receiver) -> Receiver:
    standing_receiver.hooks.clear()
    standing_receiver.answers.clear()
    return standing_receiver


@pytest.fixture(scope="module")
def standing_mailbox() -> Iterator[Mailbox]:
    with mailboxes.serve() as found:
        yield found


@pytest.fixture
def mailbox(standing_mailbox: Mailbox) -> Mailbox:
    standing_mailbox.letters.clear()
    return standing_mailbox


@pytest.fixture
def settings(mailbox: Mailbox) -> dict[str, str]:
    return {
        "NOTIFY_WEBHOOK_SECRETS": receivers.SECRET,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mailbox.port),
        "SMTP_SECURITY": "none",
        "SMTP_FROM": "Celeriac <root@celeriac.example>",
    }


@pytest.fixture
def desk(open_desk: OpenDesk, settings: dict[str, str]) -> Desk:
    return open_desk(**settings)


def told(**changes: object) -> NotificationParams:
    values = {"user_id": "ada", "title": "Ready", "message": "Your file\nis ready."}
    return NotificationParams.model_validate({**values, **changes})


def deliveries(desk: Desk, sent: Sent | None = None) -> dict[Channel, Delivery]:
    [found] = desk.platform.notifications.list(NotificationFilter()).notifications
    return {one.channel: one for one in found.deliveries}


def test_a_notification_is_stored_and_delivered_on_both_channels(
    desk: Desk, receiver: Receiver, mailbox: Mailbox
) -> None:
    params = told(
        webhook_url=receiver.url + "/hook", email="ada@example.org", data={"pages": 3}
    )

    sent = send.send(params, desk, key="k1")

    stored = desk.platform.notifications.get(sent.notification_id)
    [hook] = receiver.at("/hook")
    [letter] = mailbox.letters
    assert (stored.user_id, stored.title, stored.read_at) == ("ada", "Ready", None)
    assert [(one.channel, one.state, one.attempts) for one in sent.deliveries] == [
        (Channel.WEBHOOK, DeliveryState.DELIVERED, 1),
        (Channel.EMAIL, DeliveryState.DELIVERED, 1),
    ]
    assert hook.verified_by == {receivers.SECRET}
    assert hook.id == stored.id
    assert hook.body == {
        "type": "notification.created",
        "timestamp": stored.created_at.isoformat(),
        "data": {
            "id": stored.id,
            "user_id": "ada",
            "notification_type": "info",
            "title": "Ready",
            "message": "Your file\nis ready.",
            "data": {"pages": 3},
            "job_id": None,
            "created_at": stored.created_at.isoformat(),
        },
    }
    assert (letter.sender, letter.recipients) == ("root@celeriac.example", ("ada@example.org",))
    assert letter.message["Subject"] == "Ready"
    assert letter.message["Message-ID"] == f"<{stored.id}@celeriac.example>"
    assert "Your file\nis ready." in letter.text
    assert "Your file<br>\nis ready." in letter.html
