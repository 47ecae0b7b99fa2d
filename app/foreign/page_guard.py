"""What stands between the pages of the console and requests of any origin."""

import logging
import uuid
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.console import browser_trust

logger = logging.getLogger(__name__)


class PageGuard:
    """Refuses what a page of another site makes a browser send, restricts what ours may load, and
    answers for errors of the console itself."""

    def __init__(self, app: ASGIApp, *, is_open: bool, hosts: Collection[str]) -> None:
        """`is_open` and `hosts` are those of `browser_trust.unknown_host`."""
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_guarded(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = browser_trust.CONTENT_SECURITY_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:  # the supervisor of all requests
            mark = uuid.uuid4().hex[:8]
            logger.exception("a page failed", extra={"path": scope["path"], "request_id": mark})
            if has_started:
                raise  # the server closes the connection: the client must see that this is not all
            text = f"The console has failed. Its log tells why, at request {mark}.\n"
            answer = PlainTextResponse(text, status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
            await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        name = browser_trust.unknown_host(scope, is_open=self._is_open, hosts=self._hosts)
        if name is not None:
            text = f"{name!r} is not a name of this console.\n"
            return PlainTextResponse(text, status_code=HTTPStatus.MISDIRECTED_REQUEST)
        if browser_trust.is_cross_site(scope):
            text = "Pages of other sites cannot change anything here.\n"
            return PlainTextResponse(text, status_code=HTTPStatus.FORBIDDEN)
        return None
