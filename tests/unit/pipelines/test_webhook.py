"""Signatures of webhooks, against the vector that the Standard Webhooks libraries share."""

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from app.pipelines import webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT_SECRET = "whsec_" + base64.b64encode(b"n" * 32).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()


def signed(body: bytes, *secrets: str, now: datetime) -> dict[str, str]:
    keys = [SecretStr(secret) for secret in secrets]
    message_id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    return dict(webhook.signed_headers(message_id, body, secrets=keys, now=now))


def test_a_signature_is_that_of_the_shared_vector() -> None:
    moment = datetime.fromtimestamp(1614265330.75, UTC)

    assert signed(b'{"test": 2432232314}', SECRET, now=moment) == {
        "Content-Type": "application/json",
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("known", [SECRET, NEXT_SECRET])
def test_a_receiver_needs_only_one_of_the_secrets(known: str) -> None:
    body = '{"data":"ü 😀"}'.encode()
    headers = signed(body, NEXT_SECRET, SECRET, now=datetime.now(UTC))

    assert Webhook(known).verify(body, headers) == {"data": "ü 😀"}
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(known).verify(body + b" ", headers)
