"""Facts from sampled messages: publish time, ETA, and content type.

The whole message is parsed for its times: an `"eta"` or `"timestamp"` among the headers' values
or the arguments of a task means nothing.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.broker.messages import envelope
from app.errors import InvalidInput

PUBLISHED_AT_HEADER = "celeriac_published_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTimes:
    """Seconds since the epoch; `None` if the message does not contain the time."""

    published_at_s: float | None = None
    eta_s: float | None = None

    def is_ahead(self, *, now_s: float) -> bool:
        """Whether the ETA is in the future."""
        return self.eta_s is not None and self.eta_s > now_s

    def waiting_since_s(self) -> float | None:
        """When a worker could have run it first."""
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
    """Parse an element of a queue's list. Something else than a message has no times."""
    return _times(_json(raw))


def parse_held(raw: bytes) -> HeldMessage | None:
    """Parse a value of the hash: `[message, exchange, routing key]`; `None` for anything else."""
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
    """The body of a message of Celery's protocol 1, in any serializer."""
    try:
        found = envelope.envelope_of(message).open()
    except InvalidInput:
        return {}
    return found if isinstance(found, dict) and "task" in found else {}


def parse_moment(value: object) -> float | None:
    """Parse an ISO 8601 text to seconds since the epoch; UTC is the default zone, as in Celery.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyList:
    """The messages of one queue and priority step."""

    count: int
    sample: tuple[MessageTimes, ...]
    """The messages that were read; empty if they may be too large."""

    def ahead(self, *, now_s: float) -> int | None:
        """How many have an ETA after `now_s`. Rounded down, so that no due message is missed."""
        if not self.sample:
            return None
        ahead = sum(one.is_ahead(now_s=now_s) for one in self.sample)
        return self.count * ahead // len(self.sample)

    def oldest_age_s(self, *, now_s: float) -> float | None:
        """How long the oldest message of the sample has waited for a worker. Messages before their
        ETA do not wait for one."""
        due = (one.waiting_since_s() for one in self.sample if not one.is_ahead(now_s=now_s))
        since_s = min((moment for moment in due if moment is not None), default=None)
        return max(0.0, now_s - since_s) if since_s is not None else None


def parse_lists(answer: Sequence[int | Sequence[bytes]]) -> tuple[int, tuple[ReadyList, ...]]:
    """Parse the answer of `ready.lua` for one queue: its length, and its non-empty lists."""
    length, *rest = answer
    lists = tuple(
        ReadyList(count=count, sample=tuple(map(parse_ready, messages)))
        for count, messages in zip(rest[::2], rest[1::2], strict=True)
        if isinstance(count, int) and not isinstance(messages, int)
    )
    return (length if isinstance(length, int) else 0), lists


def ahead(lists: Iterable[ReadyList], *, now_s: float) -> int | None:
    """How many messages have an ETA after `now_s`; `None` if unknown."""
    parts = [one.ahead(now_s=now_s) for one in lists]
    known = [part for part in parts if part is not None]
    return sum(known) if known or not parts else None


def oldest_age_s(lists: Iterable[ReadyList], *, now_s: float) -> float | None:
    """How long the oldest message with a publish time has waited."""
    ages = (one.oldest_age_s(now_s=now_s) for one in lists)
    return max((age for age in ages if age is not None), default=None)


_CONTENT_TYPE = re.compile(rb'"content-type": *"([^"\\]*)"')
_TAIL_BYTES = 64 * 1024
"""Kombu writes the content type of a message after its body."""


def content_types(messages: Iterable[bytes | None]) -> frozenset[str]:
    """The content types of messages, waiting or fetched.

    Quotes inside JSON strings are escaped, so arguments of tasks never match.
    """
    found = (_CONTENT_TYPE.search(one[-_TAIL_BYTES:]) for one in messages if one is not None)
    return frozenset(one[1].decode(errors="replace") for one in found if one is not None)
