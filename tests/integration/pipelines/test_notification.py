"""Notifications at a real receiver and a real mail server."""

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from app.errors import AddressRefused, Cancelled, InvalidInput, RetryableError
from app.pipelines import webhook
from app.pipelines.notification import send
from app.pipelines.notification.mail import MailRefused
from app.pipelines.notification.schema import NotificationParams
from app.pipelines.webhook import WebhookGone
from app.storage.notification_store import Channel, Delivery, DeliveryState, NotificationFilter
from app.testing import RecordedWork
from tests.integration.broker import tls
from tests.integration.pipelines.conftest import OpenWork
from tests.ports import free_port
from tests.sites import mailbox as mailboxes
from tests.sites import receiver as receivers
from tests.sites.mailbox import Mailbox
from tests.sites.receiver import Receiver
from tests.waiting import eventually

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
def work(open_work: OpenWork, settings: dict[str, str]) -> RecordedWork:
    return open_work(**settings)


def told(**changes: object) -> NotificationParams:
    values = {"user_id": "ada", "title": "Ready", "message": "Your file\nis ready."}
    return NotificationParams.model_validate({**values, **changes})


def deliveries(work: RecordedWork) -> dict[Channel, Delivery]:
    [found] = work.stores.notifications.list(NotificationFilter()).notifications
    return {one.channel: one for one in found.deliveries}


def test_a_notification_is_stored_and_delivered_on_both_channels(
    work: RecordedWork, receiver: Receiver, mailbox: Mailbox
) -> None:
    params = told(webhook_url=receiver.url + "/hook", email="ada@example.org", data={"pages": 3})

    sent = send.send(params, work, key="k1")

    stored = work.stores.notifications.get(sent.notification_id)
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


def test_a_channel_that_has_carried_it_is_left_alone(
    work: RecordedWork, receiver: Receiver, mailbox: Mailbox
) -> None:
    mailbox.recipient_refusals += ["451 try later", "450 try later"]
    params = told(webhook_url=receiver.url + "/hook", email="ada@example.org")
    for work.attempt in (1, 2):
        with pytest.raises(RetryableError, match="try later"):
            send.send(params, work, key="k1")

    work.attempt = 3
    sent = send.send(params, work, key="k1")

    assert {one.channel: one.attempts for one in sent.deliveries} == {
        Channel.WEBHOOK: 1,
        Channel.EMAIL: 3,
    }
    assert (len(receiver.at("/hook")), len(mailbox.letters)) == (1, 1)


def test_every_attempt_has_the_same_id_and_a_signature_of_its_own(
    work: RecordedWork, receiver: Receiver
) -> None:
    url = receiver.will_answer("/flaky", 500, (503, {"Retry-After": "7"}), 401, 302, 200)
    params = told(webhook_url=url)
    pauses: list[float | None] = []
    for work.attempt in (1, 2, 3, 4):
        with pytest.raises(RetryableError) as raised:
            send.send(params, work, key="k1")
        pauses.append(getattr(raised.value, "retry_after_s", None))

    send.send(params, work, key="k1")

    hooks = receiver.at("/flaky")
    assert len(hooks) == 5
    assert len({hook.id for hook in hooks}) == 1
    assert all(hook.verified_by == {receivers.SECRET} for hook in hooks)
    assert pauses == [None, 7.0, None, None]


def test_a_redirect_takes_no_webhook_elsewhere(work: RecordedWork, receiver: Receiver) -> None:
    url = receiver.will_answer("/moved", (307, {"Location": receiver.url + "/elsewhere"}))

    with pytest.raises(RetryableError, match="answered 307"):
        send.send(told(webhook_url=url), work, key="k1")

    assert receiver.at("/elsewhere") == []


def test_a_receiver_that_is_gone_is_asked_once(work: RecordedWork, receiver: Receiver) -> None:
    url = receiver.will_answer("/gone", 410)
    for key in ("k1", "k2"):
        with pytest.raises(WebhookGone):
            send.send(told(webhook_url=url), work, key=key)

    before = len(receiver.at("/gone"))
    work.stores.disabled_webhooks.enable(url)
    receiver.will_answer("/gone", 200)
    send.send(told(webhook_url=url), work, key="k3")

    assert (before, len(receiver.at("/gone"))) == (1, 2)


def test_one_that_failed_for_good_is_tried_again_when_its_job_is_taken_up(
    work: RecordedWork, receiver: Receiver, mailbox: Mailbox
) -> None:
    params = told(webhook_url=receiver.url + "/hook", email="ada@example.org")
    mailbox.recipient_refusals.append("550 no such mailbox")
    with pytest.raises(MailRefused):
        send.send(params, work, key="k1")
    work.attempt = 2
    with pytest.raises(Exception, match="no such mailbox"):
        send.send(params, work, key="k1")
    refused = deliveries(work)[Channel.EMAIL]

    work.attempt = 1  # taken up again
    send.send(params, work, key="k1")

    assert (refused.state, refused.attempts) == (DeliveryState.FAILED, 1)
    assert deliveries(work)[Channel.EMAIL].state is DeliveryState.DELIVERED
    assert (len(receiver.at("/hook")), len(mailbox.letters)) == (1, 1)


def test_what_was_not_delivered_goes_to_the_address_that_was_mended(
    open_work: OpenWork, settings: dict[str, str], receiver: Receiver
) -> None:
    wrong = receiver.will_answer("/wrong", 500)
    with pytest.raises(RetryableError):
        send.send(told(), open_work(**settings, NOTIFY_WEBHOOK_URL=wrong), key="k1")

    mended = open_work(**settings, NOTIFY_WEBHOOK_URL=receiver.url + "/right")
    send.send(told(email="ada@example.org"), mended, key="k1")

    assert (len(receiver.at("/wrong")), len(receiver.at("/right"))) == (1, 1)
    assert deliveries(mended)[Channel.WEBHOOK].target == receiver.url + "/right"
    assert deliveries(mended)[Channel.EMAIL].state is DeliveryState.DELIVERED


def test_both_secrets_sign_while_they_are_changed(
    open_work: OpenWork, settings: dict[str, str], receiver: Receiver
) -> None:
    both = f"{receivers.OTHER_SECRET},{receivers.SECRET}"
    work = open_work(**{**settings, "NOTIFY_WEBHOOK_SECRETS": both})

    send.send(told(webhook_url=receiver.url + "/hook"), work, key="k1")

    [hook] = receiver.at("/hook")
    assert hook.verified_by == {receivers.SECRET, receivers.OTHER_SECRET}
    assert len(hook.signatures) == 2


def test_a_private_address_is_refused(
    open_work: OpenWork, settings: dict[str, str], receiver: Receiver
) -> None:
    work = open_work(**settings, CELERIAC_ALLOW_PRIVATE_ADDRESSES="false")

    with pytest.raises(AddressRefused):
        send.send(told(webhook_url=receiver.url + "/hook"), work, key="k1")

    assert receiver.hooks == []
    assert deliveries(work)[Channel.WEBHOOK].state is DeliveryState.FAILED


def test_a_cancel_ends_the_wait_for_a_silent_receiver(
    work: RecordedWork, receiver: Receiver
) -> None:
    def cancel_when_it_waits() -> None:
        eventually(lambda: receiver.at("/silent"), why="the webhook has arrived")
        work.cancel()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(cancel_when_it_waits)
        with pytest.raises(Cancelled):
            send.send(told(webhook_url=receiver.url + "/silent"), work, key="k1")

    assert deliveries(work)[Channel.WEBHOOK].state is DeliveryState.PENDING


def test_a_receiver_that_drips_has_its_time(
    work: RecordedWork, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "ANSWER_S", 1.0)

    with pytest.raises(RetryableError, match="did not answer within 1 s"):
        send.send(told(webhook_url=receiver.url + "/dripping"), work, key="k1")


def test_a_webhook_that_is_too_large_is_shortened(work: RecordedWork, receiver: Receiver) -> None:
    def event(**data: object) -> webhook.WebhookEvent:
        now = datetime.now(UTC)
        return webhook.WebhookEvent(
            id="e1", type="job.succeeded", at=now, data={"id": "j1", **data}
        )

    large = "x" * webhook.SIZE_LIMIT_BYTES
    webhook.deliver(receiver.url + "/hook", event(result=large, params={"a": 1}), work)
    with pytest.raises(InvalidInput, match="too large"):
        webhook.deliver(receiver.url + "/hook", event(message=large), work)

    [hook] = receiver.at("/hook")
    assert hook.verified_by == {receivers.SECRET}
    assert hook.body["data"] == {"id": "j1", "result": None, "params": None, "is_shortened": True}


def test_what_a_stranger_writes_stays_in_its_place(
    work: RecordedWork, receiver: Receiver, mailbox: Mailbox
) -> None:
    params = told(title=HOSTILE, message='<img src="x">\n${title} & more', email="ada@example.org")

    send.send(params, work, key="k1")

    [letter] = mailbox.letters
    assert letter.recipients == ("ada@example.org",)
    assert letter.message["Bcc"] is None
    assert letter.message["Subject"] == "Ready Bcc: all@example.org <script>alert(1)</script>"
    assert "<script>" not in letter.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in letter.html
    assert "&lt;img src=&quot;x&quot;&gt;<br>\n${title} &amp; more" in letter.html
    assert '<img src="x">\n${title} & more' in letter.text


def test_an_operator_has_templates_of_his_own(
    open_work: OpenWork,
    settings: dict[str, str],
    mailbox: Mailbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "alert.subject").write_text("[$type] $title")
    (folder / "default.txt").write_text("To $user_id: $message")
    work = open_work(**settings, NOTIFY_TEMPLATES_DIR=str(folder))

    for key, kind in (("k1", "alert"), ("k2", "info")):
        params = told(notification_type=kind, email="ada@example.org")
        send.send(params, work, key=key)

    assert [letter.message["Subject"] for letter in mailbox.letters] == ["[alert] Ready", "Ready"]
    assert {letter.text for letter in mailbox.letters} == {"To ada: Your file\nis ready.\n"}


def test_mail_goes_encrypted_and_logged_in(
    open_work: OpenWork, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = tls.issue(tmp_path_factory.mktemp("tls"), "mail")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    with mailboxes.serve(tls=context, needs_login=True) as mailbox:
        secure = {
            **settings,
            "SMTP_PORT": str(mailbox.port),
            "SMTP_SECURITY": "starttls",
            "SMTP_USERNAME": mailboxes.USER,
        }
        known = {"SMTP_PASSWORD": mailboxes.PASSWORD, "SMTP_CA_FILE": str(certificate.certfile)}
        params = told(email="ada@example.org")

        with pytest.raises(RetryableError, match="certificate verify failed"):
            send.send(params, open_work(**secure), key="k1")
        wrong = {**secure, **known, "SMTP_PASSWORD": "wrong"}
        with pytest.raises(RetryableError, match="refuses the login"):
            send.send(params, open_work(**wrong), key="k1")
        assert mailbox.letters == []
        send.send(params, open_work(**secure, **known), key="k1")

    [letter] = mailbox.letters
    assert (letter.was_encrypted, letter.was_logged_in) == (True, True)


def test_a_mail_server_that_is_away_may_come_back(
    open_work: OpenWork, settings: dict[str, str]
) -> None:
    work = open_work(**{**settings, "SMTP_PORT": str(free_port())})

    with pytest.raises(RetryableError, match="mail server"):
        send.send(told(email="ada@example.org"), work, key="k1")


def test_a_channel_that_is_asked_for_has_to_be_there(open_work: OpenWork) -> None:
    with pytest.raises(InvalidInput, match="SMTP_HOST"):
        send.send(told(email="ada@example.org", channels=["email"]), open_work(), key="k1")


def test_the_list_alone_needs_nothing(open_work: OpenWork) -> None:
    sent = send.send(told(email="ada@example.org"), open_work(), key="k1")

    assert sent.deliveries == ()
