"""Webhooks as Standard Webhooks has them: signed, with an id that stays the same over attempts.

They leave through the guarded client. A redirect is not followed: it would take the signed message
to an address that nobody named.
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
"""Receivers refuse larger bodies, most of them far smaller ones."""


ANSWER_S = 30.0
"""A receiver that has more to do should answer first, and do it then."""


class WebhookGone(PermanentError):
    """The address wants no webhooks any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a webhook tells."""

    id: str
    """`webhook-id`: a receiver that has seen it before need not do anything."""
    type: str
    at: datetime
    data: JsonObject


def deliver(url: str, event: Event, work: Work) -> int:
    """Send the event; the status of the answer, which is a 2xx.

    Raises WebhookGone (410, now or before), AddressRefused, InvalidInput, RetryableError (every
    other answer) and what the work raises to stop.
    """
    secrets = work.settings.notify.webhook_secrets
    if not secrets:
        raise InvalidInput("no webhook is sent unsigned: set NOTIFY_WEBHOOK_SECRETS")
    gone = work.stores.disabled_webhooks.find(url)
    if gone is not None:
        raise WebhookGone(f"{failures.shown(url)} is disabled: {gone.reason}")
    body = _body(event)
    headers = signed_headers(event.id, body, secrets=secrets, now=datetime.now(UTC))
    with Fetcher(work.settings.fetch, on_wait=_patience(url, work)) as fetcher:
        answer = fetcher.send(
            url, method="POST", headers=headers, content=body, follow_redirects=False
        )
        status, retry_after = answer.status_code, answer.headers.get("Retry-After")
        answer.close()
    if status == GONE:
        work.stores.disabled_webhooks.disable(url, reason=f"it answered {GONE} to {event.id}")
        raise WebhookGone(f"{failures.shown(url)} answered {GONE}: nothing is sent there any more")
    _judge(status, url=url, retry_after=retry_after)
    return status


def _patience(url: str, work: Work) -> Callable[[], None]:
    """Looks whether the work should end, or the receiver has had its time: one that answers byte by
    byte is never silent for long."""
    until = time.monotonic() + ANSWER_S

    def look() -> None:
        work.check()
        if time.monotonic() > until:
            raise RetryableError(f"{failures.shown(url)} did not answer within {ANSWER_S:g} s")

    return look


def signed_headers(
    own_id: str, body: bytes, *, secrets: Sequence[SecretStr], now: datetime
) -> Mapping[str, str]:
    """The headers of one attempt, signed with every secret so that receivers may know any."""
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


def _judge(status: int, *, url: str, retry_after: str | None) -> None:
    """Whatever is not a success may heal: receivers are deployed, keys of theirs are renewed."""
    if 200 <= status < 300:
        return
    message = f"{failures.shown(url)} answered {status}"
    pause_s = failures.retry_after_s(retry_after, now=datetime.now(UTC))
    if pause_s is not None:
        raise RateLimited(message, retry_after_s=pause_s)
    raise RetryableError(message)


def _body(event: Event) -> bytes:
    whole = _dump(event, event.data)
    if len(whole) <= SIZE_LIMIT_BYTES:
        return whole
    kept = {**event.data, "result": None, "params": None, "is_shortened": True}
    short = _dump(event, kept)
    if len(short) > SIZE_LIMIT_BYTES:
        raise InvalidInput(f"a webhook of {len(short)} bytes is too large")
    return short


def _dump(event: Event, data: Json) -> bytes:
    envelope = {"type": event.type, "timestamp": event.at.isoformat(), "data": data}
    text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
