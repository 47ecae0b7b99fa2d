"""Errors as clients see them: RFC 9457 problem details.

One table maps our errors to statuses, another maps exceptions to handlers. The `type` of a problem
is a URN that programs compare; the statuses of the framework itself (404 for a path, 405, ...) are
`about:blank`, as the RFC defines it.
"""

import logging
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app import errors
from app.errors import CeleriacError, QuotaExceeded, RateLimited, RetryableError
from app.jobs.store.job_store import IdempotencyConflict
from app.storage import nesting

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 5
"""The default: long enough for a broker to restart, short enough for a person to wait."""


class FieldError(BaseModel):
    """One reason why a request was refused."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    location: str = Field(alias="in", description="`body`, `query`, `path` or `header`.")
    pointer: str = Field(description="A JSON pointer to the value, like `#/params/url`.")
    code: str = Field(description="The rule that was broken, for programs.")
    detail: str = Field(description="The rule that was broken, for people.")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field("about:blank", description="A URN that names the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time.")
    errors: tuple[FieldError, ...] = Field((), description="What is wrong with the request.")
    request_id: str | None = Field(None, description="The id of the request in the server's log.")
    limit: str | None = Field(None, description="The limit of the owner that is reached.")
    left: int | None = Field(None, description="How much of that limit is left.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """What all problems of one type have in common."""

    status: HTTPStatus
    slug: str
    title: str

    @property
    def type(self) -> str:
        return f"urn:celeriac:problem:{self.slug}"


def _type(status: HTTPStatus, slug: str, title: str) -> ProblemType:
    return ProblemType(status=status, slug=slug, title=title)


BY_ERROR: dict[type[CeleriacError], ProblemType] = {
    errors.CeleriacError: _type(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Internal error"),
    errors.RetryableError: _type(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Try again later"),
    errors.RateLimited: _type(HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
    errors.QuotaExceeded: _type(
        HTTPStatus.TOO_MANY_REQUESTS, "quota-exceeded", "A limit of the owner is reached"
    ),
    errors.BrokerUnreachable: _type(
        HTTPStatus.SERVICE_UNAVAILABLE, "broker-unreachable", "The broker does not answer"
    ),
    errors.BrokerRefused: _type(
        HTTPStatus.SERVICE_UNAVAILABLE, "broker-refused", "The broker refused access"
    ),
    errors.BrokerNotReady: _type(
        HTTPStatus.SERVICE_UNAVAILABLE, "broker-not-ready", "The broker is not ready"
    ),
    errors.ApiServerUnreachable: _type(
        HTTPStatus.SERVICE_UNAVAILABLE, "cluster-unreachable", "The cluster does not answer"
    ),
    errors.StorageUnavailable: _type(
        HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable", "The storage does not answer"
    ),
    errors.PermanentError: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "refused", "The request cannot be processed"
    ),
    errors.InvalidInput: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input", "The input is not valid"
    ),
    errors.NotFound: _type(HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    errors.UnsupportedFormat: _type(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-format", "Unsupported format"
    ),
    errors.PasswordNeeded: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "password-needed", "The file is protected by a password"
    ),
    errors.LimitExceeded: _type(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "limit-exceeded", "A limit is exceeded"
    ),
    errors.AddressRefused: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "address-refused", "Jobs may not reach this address"
    ),
    errors.NotAuthenticated: _type(
        HTTPStatus.UNAUTHORIZED, "not-authenticated", "A valid API key is needed"
    ),
    errors.NotAuthentic: _type(
        HTTPStatus.FORBIDDEN, "not-authentic", "The message is not authentic"
    ),
    errors.NotAuthorized: _type(
        HTTPStatus.FORBIDDEN, "not-authorized", "The API key may not do this"
    ),
    errors.AccessDenied: _type(
        HTTPStatus.BAD_GATEWAY, "cluster-access-denied", "The cluster refused access"
    ),
    errors.NotConfigured: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "not-configured", "A setting is missing"
    ),
    errors.KeyRefused: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "key-refused", "An API key was rejected"
    ),
    errors.ModelRefused: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "model-refused", "The model declined to answer"
    ),
    errors.UnusableAnswer: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY, "unusable-answer", "The model gave no usable answer"
    ),
    errors.Conflict: _type(
        HTTPStatus.CONFLICT, "conflict", "The current state does not allow this"
    ),
    IdempotencyConflict: _type(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency-conflict",
        "The idempotency key was used for another request",
    ),
    errors.WorkStopped: _type(HTTPStatus.CONFLICT, "work-stopped", "The work was stopped"),
    errors.Cancelled: _type(HTTPStatus.CONFLICT, "cancelled", "The job was cancelled"),
    errors.Superseded: _type(HTTPStatus.CONFLICT, "superseded", "Another attempt owns the job"),
    errors.ProcessFailed: _type(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Internal error"),
    errors.ProcessTimedOut: _type(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Internal error"),
}

INVALID_REQUEST = _type(
    HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid"
)
MALFORMED_JSON = _type(HTTPStatus.BAD_REQUEST, "malformed-json", "The body is not JSON")
NOT_READY = _type(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "Not ready")
INTERNAL = BY_ERROR[errors.CeleriacError]

UNFIT = "unfit_value"
"""The code of a value that cannot be stored or returned."""


def type_of(error: CeleriacError) -> ProblemType:
    """The entry of the error's class, or of its nearest base class."""
    return next(BY_ERROR[cls] for cls in type(error).__mro__ if cls in BY_ERROR)


def of_error(error: CeleriacError) -> Problem:
    """Our errors explain themselves to clients. Details of internal errors go to the log only."""
    problem_type = type_of(error)
    is_internal = problem_type.status == INTERNAL.status
    detail = INTERNAL_DETAIL if is_internal else error.client_message
    found = of_type(problem_type, detail or problem_type.title)
    if isinstance(error, QuotaExceeded):
        return found.model_copy(update={"limit": error.limit, "left": error.left})
    return found


def of_type(
    problem_type: ProblemType, detail: str, field_errors: Sequence[FieldError] = ()
) -> Problem:
    return Problem(
        type=problem_type.type,
        title=problem_type.title,
        status=problem_type.status,
        detail=detail,
        errors=tuple(field_errors),
    )


def of_status(status: int, detail: str | None = None) -> Problem:
    """A problem that needs no more than the HTTP status."""
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail or title)


INTERNAL_DETAIL = "The server log has details under this request id."


def internal() -> Problem:
    return of_type(INTERNAL, INTERNAL_DETAIL)


def too_deep() -> Problem:
    """A body that is nested too deeply for Python's parser, reported like one that it can parse."""
    found = FieldError(location="body", pointer="#", code=UNFIT, detail=nesting.TOO_DEEP)
    return of_type(INVALID_REQUEST, f"{found.pointer}: {found.detail}", [found])


def of_validation(found: Sequence[Mapping[str, Any]]) -> Problem:  # Any: pydantic's error details
    """Pydantic's findings, without echoing the input."""
    field_errors = [field_error(error) for error in found]
    if [error.code for error in field_errors] == ["json_invalid"]:
        return of_type(MALFORMED_JSON, field_errors[0].detail)
    first = field_errors[0]
    more = f" (and {len(field_errors) - 1} more)" if len(field_errors) > 1 else ""
    return of_type(INVALID_REQUEST, f"{first.pointer}: {first.detail}{more}", field_errors)


def field_error(found: Mapping[str, Any]) -> FieldError:  # Any: pydantic's error details
    location, *path = found["loc"]
    if found["type"] == "json_invalid":
        reason = found.get("ctx", {}).get("error", "not JSON")
        return FieldError(location="body", pointer="#", code="json_invalid", detail=reason)
    if found["type"] == UNFIT:
        path += found["ctx"]["path"]
    message = str(found["msg"]).removeprefix("Value error, ")
    return FieldError(
        location=str(location), pointer=pointer(path), code=found["type"], detail=message
    )


def pointer(path: Sequence[str | int]) -> str:
    """The path as a JSON pointer in a URI fragment (RFC 6901, section 6), not percent-encoded."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path]
    return "#" + "".join(f"/{step}" for step in steps)


def retry_after_s(error: CeleriacError) -> int | None:
    """Seconds to wait before retrying; None if a retry would fail again."""
    if isinstance(error, RateLimited) and error.retry_after_s is not None:
        return max(0, math.ceil(error.retry_after_s))
    return RETRY_AFTER_S if isinstance(error, RetryableError) else None


def response(
    problem: Problem, *, request_id: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    """The HTTP response of a problem. An empty `errors` is left out."""
    body = problem.model_copy(update={"request_id": request_id})
    empty = {"errors"} if not problem.errors else set()
    return Response(
        body.model_dump_json(by_alias=True, exclude=empty, exclude_none=True),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


async def answer(
    error: CeleriacError,
    scope: Scope,
    receive: Receive,
    send: Send,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer a request that a middleware refuses."""
    wait_s = retry_after_s(error)
    retry = {} if wait_s is None else {"Retry-After": str(wait_s)}
    found = response(
        of_error(error), request_id=request_id(scope), headers={**(headers or {}), **retry}
    )
    await found(scope, receive, send)


def request_id(scope: Scope) -> str | None:
    found = scope.get("state", {}).get("request_id")
    return found if isinstance(found, str) else None


def log_failure(scope: Scope, error: Exception) -> None:
    logger.error("request failed", exc_info=error, extra=_about(scope))


def _about(scope: Scope) -> dict[str, object]:
    return {
        "request_id": request_id(scope),
        "method": scope.get("method"),
        "path": scope.get("path"),
    }


CLIENT_CLOSED_REQUEST = 499
"""The client is gone and does not read it. The access log shows that the server did not fail."""

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
"""Any: Starlette types the exception as the class that the handler is registered for."""


async def on_celeriac_error(request: Request, error: CeleriacError) -> Response:
    found = of_error(error)
    if found.status == INTERNAL.status:
        log_failure(request.scope, error)
    elif error.client_message != str(error):
        logger.warning("request not served", extra={**_about(request.scope), "reason": str(error)})
    wait_s = retry_after_s(error)
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    return _respond(request, found, headers)


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    return _respond(request, of_validation(error.errors()))


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, RecursionError):  # FastAPI's parser of bodies
        return _respond(request, too_deep())
    return _respond(request, of_status(error.status_code, error.detail), error.headers)


async def on_client_gone(_request: Request, _error: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _respond(request: Request, found: Problem, headers: Any = None) -> Response:
    return response(found, request_id=request_id(request.scope), headers=headers)


HANDLERS: dict[int | type[Exception], Handler] = {
    CeleriacError: on_celeriac_error,
    RequestValidationError: on_invalid_request,
    HTTPException: on_http_exception,
    ClientDisconnect: on_client_gone,
}
