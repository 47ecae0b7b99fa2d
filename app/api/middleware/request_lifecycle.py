"""A request from its first byte to the end of its connection: id, metrics, body limit, errors.

Plain ASGI, so that bodies stream in both directions.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problem
from app.api.links import PREFIX
from app.api.metrics import ApiMetrics
from app.console import browser_trust
from app.fetch.guarded_connection import Speed
from app.telemetry import trace_context

REQUEST_ID_HEADER = "X-Request-Id"

BODY_SILENCE_S = 30.0
MIN_BYTES_PER_S = 256.0
"""A body that is slower than this for `BODY_SILENCE_S` ends, as one that is silent for so long."""

DRAIN_LIMIT_BYTES = 64 * 1024 * 1024
DRAIN_LIMIT_S = 2.0

UNMATCHED = "(none)"
"""The route label of unmatched requests: callers choose paths, so their number is unbounded."""

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestContext:
    """Assigns a request id (the caller's own if it is valid), and answers unhandled exceptions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID_HEADER, "")
        trace = trace_context.parse(headers.get("traceparent", ""))
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
                headers["Referrer-Policy"] = browser_trust.REFERRER_POLICY
                headers.setdefault("Content-Security-Policy", browser_trust.CONTENT_SECURITY_POLICY)
            await send(message)

        try:
            with trace_context.continuing(trace):
                await self._app(scope, receive, send_with_id)
        except Exception as error:  # the supervisor of all requests
            problem.log_failure(scope, error)
            if has_started:
                raise  # the server closes the connection: the client must see that this is not all
            answer = problem.response(problem.internal(), request_id=own_id)
            await answer(scope, receive, send_with_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRule:
    """The body limit of requests whose path ends with `path_end`."""

    path_end: str
    limit_bytes: int


class BodyLimit:
    """Refuses bodies over the limit of their path: at once if the length is declared, else as soon
    as the limit is exceeded. Ends those that arrive too slowly."""

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
                refusal, request_id=problem.request_id(scope), headers={"Connection": "close"}
            )
            await answer(scope, receive, send)
            return
        received_bytes, is_over = 0, False
        speed = Speed(MIN_BYTES_PER_S)

        async def counted() -> Message:
            nonlocal received_bytes, is_over
            if is_over:  # whoever waits now waits for the client to leave
                return await receive()
            message = await _received(receive, speed)
            is_over = message["type"] != "http.request" or not message.get("more_body", False)
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit_bytes:
                raise HTTPException(413, _too_large(limit_bytes))
            return message

        await self._app(scope, counted, send)

    def _limit_bytes(self, path: str) -> int:
        fitting = (rule.limit_bytes for rule in self._rules if path.endswith(rule.path_end))
        return next(fitting, self._default_bytes)


async def _received(receive: Receive, speed: Speed) -> Message:
    """The next part of a body; 408 when it does not come in time, or too slowly."""
    began_at = time.monotonic()
    try:
        async with asyncio.timeout(BODY_SILENCE_S):
            message = await receive()
        size_bytes = len(message.get("body", b"")) or 1  # the first wait counts too
        waited_s = time.monotonic() - began_at
        speed.count(size_bytes, waited_s=waited_s, window_s=BODY_SILENCE_S)
    except TimeoutError as error:
        detail = "the body does not arrive in time"
        raise HTTPException(408, detail, headers={"Connection": "close"}) from error
    return message


def _too_large(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes"


class Drain:
    """Reads the rest of a request's body before its response ends.

    If a server closes a connection with unread bytes, the connection is reset, and the client loses
    the response. The rest of the body is therefore read and discarded, up to a limit.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)

        async def send_then_drain(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if not is_last or body.is_over:
                await send(message)
                return
            await send({**message, "more_body": True})
            await body.drain()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, body.receive, send_then_drain)


def _has_body(headers: Headers) -> bool:
    if headers.get("expect"):
        return False  # the client waits for `100 Continue` before it sends the body
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _Body:
    """A request body that is being received."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        left_bytes = DRAIN_LIMIT_BYTES
        try:
            async with asyncio.timeout(DRAIN_LIMIT_S):
                while not self.is_over and left_bytes > 0:
                    left_bytes -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


class Leaving:
    """Ends connections after their present request while the file `mark` exists.

    A client that keeps its connection would send the next request at the moment when the server
    closes it, and see a reset. The file is created some seconds before the server stops (the
    chart does so in `preStop`): from then on each response is the last one of its connection.
    """

    def __init__(self, app: ASGIApp, *, mark: Path) -> None:
        self._app = app
        self._mark = mark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._mark.exists():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_with_close)


class Measured:
    """Counts requests by the template of their route."""

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics, clock: Callable[[], float]) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_at_s = self._clock()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], self._clock() - begun_at_s)
            await send(message)

        await self._app(scope, receive, counted)

    def _count(self, scope: Scope, status: int, duration_s: float) -> None:
        route = route_template(scope)
        method = scope["method"] if route != UNMATCHED else UNMATCHED
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.latency.labels(method, route).observe(duration_s)


def route_template(scope: Scope) -> str:
    """The path template of the matched route. Versioned routes are registered without the prefix,
    so it is added here."""
    template = getattr(scope.get("route"), "path_format", None)
    if template is None:
        return UNMATCHED
    is_versioned = scope["path"].startswith(f"{PREFIX}/") and not template.startswith(PREFIX)
    return f"{PREFIX}{template}" if is_versioned else str(template)
