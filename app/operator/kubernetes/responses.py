"""Error responses of the API server as our errors, and the outcomes of writes."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import aiohttp

from app.errors import (
    AccessDenied,
    ApiServerUnreachable,
    CeleriacError,
    Conflict,
    InvalidInput,
    NotFound,
    RateLimited,
)


class WriteOutcome(StrEnum):
    """The outcome of a write, a label of `celeriac_operator_writes_total`."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Rejected by validation, an admission policy or a quota."""
    DENIED = "denied"
    """A Role lacks a rule."""
    CONFLICT = "conflict"
    GONE = "gone"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"


_OUTCOMES: tuple[tuple[type[CeleriacError], WriteOutcome], ...] = (
    (InvalidInput, WriteOutcome.REFUSED),
    (AccessDenied, WriteOutcome.DENIED),
    (Conflict, WriteOutcome.CONFLICT),
    (NotFound, WriteOutcome.GONE),
    (RateLimited, WriteOutcome.THROTTLED),
)

OnWrite = Callable[[str, WriteOutcome], None]


def written_resource(path: str) -> str:
    """The resource that a write changes, in one word.

    >>> written_resource("/apis/apps/v1/namespaces/shop/deployments/worker/scale")
    'scale'
    >>> written_resource("/api/v1/namespaces/shop/pods/worker-a")
    'pods'
    """
    *_, collection, last = path.split("/")
    if last in ("scale", "status"):
        return last
    return last if last == "events" else collection


def outcome_of(error: CeleriacError) -> WriteOutcome:
    """The outcome of a write that failed."""
    found = (outcome for kind, outcome in _OUTCOMES if isinstance(error, kind))
    return next(found, WriteOutcome.UNREACHABLE)


def server_message(error: CeleriacError) -> str:
    """The message of the API server, without the request in front of it."""
    return str(error).partition(": ")[2]


_ERRORS: dict[int, type[CeleriacError]] = {
    400: InvalidInput,
    404: NotFound,
    405: InvalidInput,
    406: InvalidInput,
    409: Conflict,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
}
"""All other codes are temporary: 401 until a new token, 410 until a new list, 5xx."""

_LACKS_A_RULE = re.compile(r'User "[^"]*" cannot ')
"""The text of every authorizer of Kubernetes. Quotas and admission policies answer 403 too, with
other texts."""


def error_of(response: aiohttp.ClientResponse, document: Any, *, what: str) -> CeleriacError:
    """The error for a response with a status of 400 or above."""
    status = document if isinstance(document, dict) else {}
    text = str(status.get("message") or response.reason)
    message = f"{what}: {text}"
    match response.status:
        case 403:
            is_denied = "kind" not in status or _LACKS_A_RULE.search(text) is not None
            return AccessDenied(message) if is_denied else InvalidInput(message)
        case 422 if status.get("details") == {}:
            # A failed "test" of a JSON patch: validation and admission name what they reject.
            return Conflict(message)
        case 429:
            retry_after = response.headers.get("Retry-After", "")
            return RateLimited(message, retry_after_s=float(retry_after) if retry_after else None)
        case code:
            return _ERRORS.get(code, ApiServerUnreachable)(message)
