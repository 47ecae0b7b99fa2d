"""When a message was published and when it is due, as kombu and Celery write it.

The whole message is parsed: an `"eta"` or `"timestamp"` among the headers' values or the arguments
of a task means nothing.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.broker.messages import envelope
from app.errors import InvalidInput

PUBLISHED_AT_HEADER = "celeriac_published_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTimes:
    """Seconds since the epoch; `None` where the message does not say."""

    published_at_s: float | None = None
    eta_s: float | None = None

    def is_ahead(self, *, now_s: float) -> bool:
        """Whether the ETA is still to come."""
        return self.eta_s is not None and self.eta_s > now_s

    def waiting_since_s(self) -> float | None:
        """Since when a worker could have run it."""
        if self.published_at_s is None:
            return None
        return max(self.published_at_s, self.eta_s or self.published_at_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMessage:
    """A value of the hash `unacked`, which is what kombu's `QoS.append` writes."""

    exchange: str
    routing_key: str
    times: MessageTimes


NO_TIMES = MessageTimes()


def parse_ready(raw: bytes) -> MessageTimes:
    """The times of an element of a queue's list. What is not a message has none."""
    return _times(_json(raw))


def parse_held(raw: bytes) -> HeldMessage | None:
    """A value of the hash: `[message, exchange, routing key]`; `None` if it is something else."""
    match _json(raw):
        case [message, exchange, routing_key, *_]:
            return HeldMessage(
                exchange=exchange if isinstance(exchange, str) else "",
                routing_key=routing_key if isinstance(routing_key, str) else "",
                times=_times(message),
            )
        case _:
            return None


def _json(raw: bytes) -> Any:  # a JSON value
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _times(message: Any) -> MessageTimes:  # a JSON value
    if not isinstance(message, dict):
        return NO_TIMES
    headers = _mapping(message.get("headers"))
    properties = _mapping(message.get("properties"))
    published_at_s = _seconds(headers.get(PUBLISHED_AT_HEADER))
    if published_at_s is None:
        published_at_s = _seconds(properties.get("timestamp"))
    # Protocol 2 names the task in the headers, protocol 1 in the body.
    source = headers if "task" in headers else _body(message)
    return MessageTimes(published_at_s=published_at_s, eta_s=parse_moment(source.get("eta")))


def _body(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of a message of Celery's protocol 1, in whichever serializer."""
    try:
        found = envelope.envelope_of(message).open()
    except InvalidInput:
        return {}
    return found if isinstance(found, dict) and "task" in found else {}


def parse_moment(value: object) -> float | None:
    """Seconds since the epoch of an ISO 8601 text; without a zone it is UTC, as in Celery.

    >>> parse_moment("2026-01-01T01:00:00+01:00")
    1767225600.0
    >>> parse_moment("soon") is None
    True
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
