"""What surrounds every request: its id, the limit of its body, and the last word on errors.

Plain ASGI, so that streamed bodies pass in both directions as they come.
"""

import logging
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problem

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-Id"

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id(scope: Scope) -> str | None:
    found = scope.get("state", {}).get("request_id")
    return found if isinstance(found, str) else None


def log_failure(scope: Scope, error: Exception) -> None:
    logger.error(
        "request failed",
        exc_info=error,
        extra={
            "request_id": request_id(scope),
            "method": scope.get("method"),
            "path": scope.get("path"),
        },
    )


class RequestContext:
    """Gives each request an id (the caller's own, when it is sane) and each crash an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        own_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = own_id
        has_started = False

        async def send_with_id(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = own_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # the supervisor of all requests
            log_failure(scope, error)
            if has_started:
                raise  # the server cuts the connection, so that half an answer is not taken whole
            answer = problem.response(problem.internal(), request_id=own_id)
            await answer(scope, receive, send_with_id)


class CrossSiteGuard:
    """Refuses what a browser sends in the name of a foreign page.

    Such a page may post forms and files without being asked, also to a server on the user's own
    machine, which has no key. Browsers say so in `Sec-Fetch-Site` (W3C Fetch Metadata), and pages
    can not forge it; other clients do not send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_foreign(scope):
            await self._app(scope, receive, send)
            return
        refusal = problem.of_status(403, "a page of another site may not change anything here")
        answer = problem.response(refusal, request_id=request_id(scope))
        await answer(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    is_safe = scope["method"] in ("GET", "HEAD", "OPTIONS")
    return not is_safe and Headers(scope=scope).get("sec-fetch-site") == "cross-site"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRule:
    """How large the body may be of a request whose path ends so."""

    path_end: str
    limit_bytes: int


class BodyLimit:
    """Refuses bodies over the limit of their path: at once when the length is declared, else as
    soon as the limit is passed."""

    def __init__(self, app: ASGIApp, *, default_bytes: int, rules: Sequence[BodyRule]) -> None:
        self._app = app
        self._default_bytes = default_bytes
        self._rules = tuple(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = self._limit_bytes(scope["path"])
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit_bytes:
            refusal = problem.of_status(413, _too_large(limit_bytes))
            answer = problem.response(
                refusal, request_id=request_id(scope), headers={"Connection": "close"}
            )
            await answer(scope, receive, send)
            return
        received_bytes = 0

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit_bytes:
                raise HTTPException(413, _too_large(limit_bytes))
            return message

        await self._app(scope, counted, send)

    def _limit_bytes(self, path: str) -> int:
        fitting = (rule.limit_bytes for rule in self._rules if path.endswith(rule.path_end))
        return next(fitting, self._default_bytes)


def _too_large(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes"
