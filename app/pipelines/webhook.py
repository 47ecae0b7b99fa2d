"""Send webhooks by the Standard Webhooks specification: signed, with one id over all attempts.

They are sent through the guarded client. Redirects are not followed: they would send the signed
message to another address.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook

from app import settings
from app.errors import InvalidInput, PermanentError, RateLimited, RetryableError
from app.fetch import failures
from app.fetch.http_client import Fetcher
from app.jobs.model.job import Json, JsonObject
from app.jobs.model.work import Work

GONE = 410

SIZE_LIMIT_BYTES = 256 * 1024
"""Most receivers refuse bodies of this size, and smaller ones."""


ANSWER_S = 30.0
"""Time for the whole answer. A receiver should answer before it does more work."""


class WebhookGone(PermanentError):
    """The address has answered that it wants no more webhooks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """The content of a webhook."""

    id: str
    """`webhook-id`, by which receivers recognise repeated deliveries."""
    type: str
    at: datetime
    data: JsonObject


def deliver(url: str, event: WebhookEvent, work: Work) -> int:
    """Send the event. Return the status of the answer, a 2xx.

    Raises WebhookGone (410, now or before), AddressRefused, InvalidInput, RetryableError (any
    other answer) and the errors of `check`.
    """
    secrets = work.settings.notify.webhook_secrets
    if not secrets:
        raise InvalidInput("webhooks must be signed: set NOTIFY_WEBHOOK_SECRETS")
    gone = work.stores.disabled_webhooks.find(url)
    if gone is not None:
        raise WebhookGone(f"{failures.shown(url)} is disabled: {gone.reason}")
    body = _body(event)
    headers = signed_headers(event.id, body, secrets=secrets, now=datetime.now(UTC))
    with Fetcher(work.settings.fetch, on_wait=_deadline_check(url, work)) as fetcher:
        answer = fetcher.send(
            url, method="POST", headers=headers, content=body, follow_redirects=False
        )
        status, retry_after = answer.status_code, answer.headers.get("Retry-After")
        answer.close()
    if status == GONE:
        work.stores.disabled_webhooks.disable(url, reason=f"it answered {GONE} to {event.id}")
        raise WebhookGone(f"{failures.shown(url)} answered {GONE}: no more webhooks are sent to it")
    _raise_for_status(status, url=url, retry_after=retry_after)
    return status


def _deadline_check(url: str, work: Work) -> Callable[[], None]:
    """Returns a function that raises when the work should stop or the time is over. A receiver that
    answers byte by byte never reaches the client's own time-out."""
    until = time.monotonic() + ANSWER_S

    def check() -> None:
        work.check()
        if time.monotonic() > until:
            raise RetryableError(f"{failures.shown(url)} did not answer within {ANSWER_S:g} s")

    return check


def signed_headers(
    own_id: str, body: bytes, *, secrets: Sequence[SecretStr], now: datetime
) -> Mapping[str, str]:
    """Headers of one attempt, signed with each secret: a receiver may have any of them."""
    text = body.decode()
    signatures = [
        Webhook(settings.webhook_key(secret)).sign(own_id, now, text) for secret in secrets
    ]
    return {
        "Content-Type": "application/json",
        "webhook-id": own_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _raise_for_status(status: int, *, url: str, retry_after: str | None) -> None:
    """Any failure may be temporary: receivers are redeployed, and rotate their keys."""
    if 200 <= status < 300:
        return
    message = f"{failures.shown(url)} answered {status}"
    pause_s = failures.retry_after_s(retry_after, now=datetime.now(UTC))
    if pause_s is not None:
        raise RateLimited(message, retry_after_s=pause_s)
    raise RetryableError(message)


def _body(event: WebhookEvent) -> bytes:
    whole = _dump(event, event.data)
    if len(whole) <= SIZE_LIMIT_BYTES:
        return whole
    kept = {**event.data, "result": None, "params": None, "is_shortened": True}
    short = _dump(event, kept)
    if len(short) > SIZE_LIMIT_BYTES:
        raise InvalidInput(f"a webhook of {len(short)} bytes is too large")
    return short


def _dump(event: WebhookEvent, data: Json) -> bytes:
    envelope = {"type": event.type, "timestamp": event.at.isoformat(), "data": data}
    text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
