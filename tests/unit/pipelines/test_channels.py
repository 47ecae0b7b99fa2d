"""Which channels carry a notification, and which addresses are ones."""

import pytest
from pydantic import SecretStr, ValidationError

from app.errors import InvalidInput
from app.pipelines.notification import send
from app.pipelines.notification.schema import NotificationParams
from app.settings import NotifySettings
from app.storage.notification_store import Channel

SECRET = SecretStr("whsec_" + "bm90IGEgc2VjcmV0IGJ1dCBhIHRlc3QgdmFsdWUu")
HOOK, OWN_HOOK, MAIL, OWN_MAIL = "https://a.example/", "https://b.example/", "a@b.c", "d@e.f"
BOTH = {Channel.WEBHOOK: HOOK, Channel.EMAIL: MAIL}


def settings(**changes: object) -> NotifySettings:
    values = {"webhook_secrets": (SECRET,), "webhook_url": HOOK, "email_to": MAIL, "smtp_host": "m"}
    return NotifySettings.model_validate({**values, **changes})


def told(**changes: object) -> NotificationParams:
    values = {"user_id": "ada", "title": "Ready", "message": ""}
    return NotificationParams.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("asked", "server", "want"),
    [
        pytest.param({}, {}, BOTH, id="all that have an address"),
        pytest.param({}, {"smtp_host": None}, {Channel.WEBHOOK: HOOK}, id="no mail server"),
        pytest.param({}, {"webhook_secrets": ()}, {Channel.EMAIL: MAIL}, id="no secret"),
        pytest.param(
            {"webhook_url": OWN_HOOK, "email": OWN_MAIL},
            {},
            {Channel.WEBHOOK: OWN_HOOK, Channel.EMAIL: OWN_MAIL},
            id="addresses of its own",
        ),
        pytest.param({"channels": []}, {}, {}, id="the list alone"),
        pytest.param(
            {"notification_type": "alert"},
            {"channels": "alert=email,*=webhook"},
            {Channel.EMAIL: MAIL},
            id="those of its type",
        ),
        pytest.param({}, {"channels": "alert=email,*="}, {}, id="those of every other type"),
        pytest.param(
            {"channels": ["webhook"], "notification_type": "alert"},
            {"channels": "alert=email"},
            {Channel.WEBHOOK: HOOK},
            id="named ones before those of its type",
        ),
    ],
)
def test_targets(
    asked: dict[str, object], server: dict[str, object], want: dict[Channel, str]
) -> None:
    assert send.choose_targets(told(**asked), settings(**server)) == want


@pytest.mark.parametrize(
    ("channel", "server", "why"),
    [
        ("webhook", {"webhook_secrets": ()}, "NOTIFY_WEBHOOK_SECRETS"),
        ("webhook", {"webhook_url": None}, "NOTIFY_WEBHOOK_URL"),
        ("email", {"smtp_host": None}, "SMTP_HOST"),
        ("email", {"email_to": None}, "NOTIFY_EMAIL_TO"),
    ],
)
def test_a_named_channel_says_what_it_lacks(
    channel: str, server: dict[str, object], why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        send.choose_targets(told(channels=[channel]), settings(**server))


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "@b.c",
        "a@",
        "a@b.c, d@e.f",
        "Ada <a@b.c>",
        "a@b.c\r\nBcc: d@e.f",
        "a@b@c",
        "a\x00@b.c",
    ],
)
def test_what_is_not_one_mailbox_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        told(email=address)


def test_data_is_small_enough_for_a_listing() -> None:
    assert told(data={"a": "x" * 65_000}).data
    with pytest.raises(ValidationError, match="65536 characters"):
        told(data={"a": "x" * 66_000})


@pytest.mark.parametrize("kind", ["", "../../etc/passwd", "a/b", ".hidden", "a\n", "x" * 65])
def test_a_type_is_a_plain_name(kind: str) -> None:
    with pytest.raises(ValidationError):
        told(notification_type=kind)


@pytest.mark.parametrize("secret", ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!"])
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(InvalidInput, match="24 to 64 bytes") as raised:
        NotifySettings.model_validate({"webhook_secrets": f"{SECRET.get_secret_value()},{secret}"})
    assert SECRET.get_secret_value() not in str(raised.value)
