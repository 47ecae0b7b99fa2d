"""What the API server's refusals mean: our errors, and what became of a write."""

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
    """What became of a write."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """By validation, an admission policy or a quota."""
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
    """What a write changes, in one word.

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
    """What became of a write that has failed."""
    found = (outcome for kind, outcome in _OUTCOMES if isinstance(error, kind))
    return next(found, WriteOutcome.UNREACHABLE)


def words(error: CeleriacError) -> str:
    """What the server said, without the request that it answered."""
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
"""All others can heal by themselves: 401 by a new token, 410 by a new list, 5xx by waiting."""

_LACKS_A_RULE = re.compile(r'User "[^"]*" cannot ')
"""What every authorizer of Kubernetes says; a quota or an admission policy that answers 403 too
says something else."""


def error_of(response: aiohttp.ClientResponse, document: Any, *, what: str) -> CeleriacError:
    """What an answer of 400 and above means to us."""
    status = document if isinstance(document, dict) else {}
    said = str(status.get("message") or response.reason)
    message = f"{what}: {said}"
    match response.status:
        case 403:
            is_denied = "kind" not in status or _LACKS_A_RULE.search(said) is not None
            return AccessDenied(message) if is_denied else InvalidInput(message)
        case 422 if status.get("details") == {}:
            # A failed "test" of a JSON patch. Whatever validates or admits names what it refuses.
            return Conflict(message)
        case 429:
            retry_after = response.headers.get("Retry-After", "")
            return RateLimited(message, retry_after_s=float(retry_after) if retry_after else None)
        case code:
            return _ERRORS.get(code, ApiServerUnreachable)(message)
