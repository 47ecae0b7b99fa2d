"""Refuses requests that pages of other sites make through a browser."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem
from app.console import browser_trust


class KnownHosts:
    """Refuses a request without a key that reaches this API by a foreign name.

    A page of another site can point its own name at 127.0.0.1 after the browser has loaded it (DNS
    rebinding): the browser then takes this API for a part of that site. It sends that name as
    `Host`, which pages cannot forge.
    """

    def __init__(self, app: ASGIApp, *, is_open: bool, hosts: Collection[str]) -> None:
        """`is_open` and `hosts` are those of `browser_trust.unknown_host`."""
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        name = (
            browser_trust.unknown_host(scope, is_open=self._is_open, hosts=self._hosts)
            if is_http
            else None
        )
        if name is None:
            await self._app(scope, receive, send)
            return
        detail = f"{name!r} is not a name of this API (CELERIAC_API_HOSTS)"
        refusal = problem.of_status(421, detail)
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)


class CrossSiteGuard:
    """Refuses changes that a browser requests on behalf of another origin.

    Any page can post forms and files, even to a server on the user's own machine. Browsers mark
    such requests with `Sec-Fetch-Site` (W3C Fetch Metadata) and `Origin`, which pages cannot forge
    and other clients do not send.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not browser_trust.is_cross_site(scope):
            await self._app(scope, receive, send)
            return
        refusal = problem.of_status(403, "pages of other sites cannot change anything here")
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)
