"""Authorization: the table of scopes by route, and the middleware that applies it.

Requests from this machine need no key, so that `celeriac up` needs no setup. All others need one,
unless the server was started with `--insecure` because something else protects it.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette._utils import get_route_path  # as the router reads the path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access import tokens
from app.access.authenticator import Authenticator
from app.access.principal import ANONYMOUS, AccessScope, Principal
from app.api import problem
from app.api.links import PREFIX
from app.api.middleware.route_table import RouteNotListed, RouteTable
from app.console import browser_trust
from app.console.console_model import Viewer
from app.errors import CeleriacError, NotAuthenticated, NotAuthorized
from app.jobs.model.pipeline import Registry
from app.storage import audit_log, ownership
from app.storage.audit_log import Act
from app.storage.ownership import OwnerScope

READ, SUBMIT, ADMIN = AccessScope.READ, AccessScope.SUBMIT, AccessScope.ADMIN

PUBLIC = None
"""For everyone who reaches the server: probes, and pages that reveal nothing about jobs."""

SCOPES: Mapping[str, AccessScope | None] = {
    "GET /docs": PUBLIC,
    "GET /docs/{name}": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": READ,
    "GET /static/{name}": PUBLIC,
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "POST /sign-out": PUBLIC,
    "GET /settings/keys": ADMIN,
    "POST /settings/keys": ADMIN,
    "GET /settings/audit": ADMIN,
    "GET /": READ,
    "GET /queues": READ,
    "GET /pools": READ,
    "GET /pools/{name}": READ,
    "GET /jobs": READ,
    "POST /jobs": SUBMIT,
    "GET /jobs/{job_id}": READ,
    "GET /failures": READ,
    "POST /theme": READ,
    f"GET {PREFIX}/jobs": READ,
    f"GET {PREFIX}/jobs/{{job_id:uuid}}": READ,
    f"GET {PREFIX}/jobs/{{job_id:uuid}}/runs": READ,
    f"GET {PREFIX}/jobs/{{job_id:uuid}}/events": READ,
    f"GET {PREFIX}/jobs/{{job_id:uuid}}/artifacts": READ,
    f"GET {PREFIX}/jobs/{{job_id:uuid}}/artifacts/{{name:path}}": READ,
    f"POST {PREFIX}/jobs/{{job_id:uuid}}:cancel": SUBMIT,
    f"POST {PREFIX}/jobs/{{job_id:uuid}}:retry": SUBMIT,
    f"POST {PREFIX}/jobs:batch": SUBMIT,
    f"* {PREFIX}/jobs/{{name}}": READ,
    f"POST {PREFIX}/uploads": SUBMIT,
    f"GET {PREFIX}/chunks": READ,
    f"GET {PREFIX}/queues": READ,
    f"GET {PREFIX}/pools": READ,
    f"GET {PREFIX}/pipelines": READ,
    f"GET {PREFIX}/schedules": READ,
    f"GET {PREFIX}/notifications": READ,
    f"GET {PREFIX}/notifications/{{notification_id:uuid}}": READ,
    f"POST {PREFIX}/notifications:read-all": SUBMIT,
    f"POST {PREFIX}/notifications/{{notification_id:uuid}}:read": SUBMIT,
    f"POST {PREFIX}/notifications/{{notification_id:uuid}}:unread": SUBMIT,
    f"GET {PREFIX}/webhooks/disabled": READ,
    f"POST {PREFIX}/webhooks:enable": SUBMIT,
    f"GET {PREFIX}/access": READ,
    f"GET {PREFIX}/keys": ADMIN,
    f"POST {PREFIX}/keys": ADMIN,
    f"POST {PREFIX}/keys/{{key_id}}:revoke": ADMIN,
    f"GET {PREFIX}/owners": ADMIN,
    f"GET {PREFIX}/owners/{{owner}}/limits": ADMIN,
    f"PUT {PREFIX}/owners/{{owner}}/limits": ADMIN,
    f"DELETE {PREFIX}/owners/{{owner}}/limits": ADMIN,
    f"GET {PREFIX}/limits": READ,
    f"GET {PREFIX}/audit": ADMIN,
    f"GET {PREFIX}/audit.jsonl": ADMIN,
    "POST /upload-document": SUBMIT,
    "POST /process-videos": SUBMIT,
    "POST /scrape-youtube": SUBMIT,
    "GET /task-status/{task_id}": READ,
    "GET /task/{task_id}": READ,
    "POST /api/videos/generate": SUBMIT,
    "GET /api/videos/{job_id:uuid}": READ,
}
"""The scope that each route needs. HEAD is handled as GET, `*` means every method. Routes that
submit a job of one kind need the scope of their pipeline."""

KEY_NEEDED = (
    "send an API key as 'Authorization: Bearer KEY'; 'celeriac keys create' creates one on the "
    "server's machine. If something else protects the server, start it with --insecure"
)

SESSION_COOKIE = "celeriac_session"
"""What a browser sends that has signed in to the console."""

_PROXY_HEADERS = ("forwarded", "x-forwarded-for")


Scopes = RouteTable[AccessScope | None]
"""The scope that each route needs; None for a public one."""


def build_scopes(registry: Registry) -> Scopes:
    """The scopes of the table, and of a route for each of these kinds of jobs. An unknown path
    needs `read`, so that strangers do not learn which routes exist."""
    kinds = {f"POST {PREFIX}/jobs/{one.kind}": one.scope for one in registry.values()}
    return RouteTable({**SCOPES, **kinds}, default=READ)


def check_routes(app: FastAPI, scopes: Scopes) -> None:
    """Raises RouteNotListed unless every route of the application has a scope."""
    if missing := ", ".join(scopes.missing(app)):
        raise RouteNotListed(f"no scope for {missing} (app.api.middleware.authorization.SCOPES)")


class Authorization:
    """Authenticates each request, and refuses it if its principal lacks the scope."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        scopes: Scopes,
        is_open: bool,
        guards_loopback: bool,
    ):
        """`is_open`: no request needs a key. `guards_loopback`: requests from this machine do."""
        self._app = app
        self._scopes = scopes
        self._is_open = is_open
        self._guards_loopback = guards_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        needed = self._needed(scope)
        try:
            principal = await self._principal(scope)
            _sign(audit_log.current(), principal)
            _check(principal, needed)
        except CeleriacError as error:
            if needed is not PUBLIC:
                await _refuse(error, scope, receive, send)
                return
            principal = None
        state = scope.setdefault("state", {})
        state["principal"] = principal
        state["viewer"] = _viewer(principal)
        with ownership.acting_for(_scope(principal)):
            await self._app(scope, receive, send)

    def _needed(self, scope: Scope) -> AccessScope | None:
        """Of a public path with another method, nothing: the router says that it is wrong."""
        path = get_route_path(scope)
        needed = self._scopes.find(scope["method"], path)
        is_public = needed is READ and set(self._scopes.at(path).values()) == {PUBLIC}
        return PUBLIC if is_public else needed

    async def _principal(self, scope: Scope) -> Principal | None:
        headers = Headers(scope=scope)
        text = bearer(headers.get("authorization", ""))
        session = cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE)
        if text is None and session is not None and not self._is_open:
            return await self._of_session(session, scope)
        if text is None or (self._is_open and tokens.parse(text) is None):
            return ANONYMOUS if self._needs_no_key(scope) else None
        authenticator = _authenticator(scope)
        known = authenticator.cached(text)
        if known is not None:
            return known
        return await run_in_threadpool(authenticator.authenticate, text)

    async def _of_session(self, session: str, scope: Scope) -> Principal | None:
        if not _is_of_our_page(scope):
            raise NotAuthorized("a session changes things from pages of the console only")
        try:
            return await run_in_threadpool(_authenticator(scope).resume, session)
        except NotAuthenticated:
            return ANONYMOUS if self._needs_no_key(scope) else None

    def _needs_no_key(self, scope: Scope) -> bool:
        if self._is_open:
            return True
        headers = Headers(scope=scope)
        is_proxied = any(name in headers for name in _PROXY_HEADERS)
        return not self._guards_loopback and not is_proxied and browser_trust.arrives_locally(scope)


def _scope(principal: Principal | None) -> OwnerScope:
    """Strangers, who reach public routes alone, have nothing to see."""
    if principal is None:
        return OwnerScope(sees_all=False)
    return OwnerScope(owner=principal.owner, sees_all=principal.sees_all)


def _sign(act: Act, principal: Principal | None) -> None:
    if principal is not None:
        act.actor, act.key_id = principal.owner, principal.key_id


def _viewer(principal: Principal | None) -> Viewer:
    return Viewer(
        name="" if principal is None else principal.owner,
        may_act=principal is not None and principal.may(SUBMIT),
        may_maintain=principal is not None and principal.may(AccessScope.MAINTAIN),
        may_administer=principal is not None and principal.may(ADMIN),
    )


def _authenticator(scope: Scope) -> Authenticator:
    found: Authenticator = scope["app"].state.services.authenticator
    return found


def _check(principal: Principal | None, needed: AccessScope | None) -> None:
    if needed is PUBLIC:
        return
    if principal is None:
        raise NotAuthenticated(KEY_NEEDED)
    if not principal.may(needed):
        raise NotAuthorized(
            f"this needs a key of scope {needed.value!r}; yours has {principal.scope.value!r}"
        )


async def _refuse(error: CeleriacError, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {}
    if isinstance(error, NotAuthenticated) and _is_page(scope):
        path = scope["path"] + (
            f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        )
        target = f"/sign-in?{urlencode({'back': path})}"
        await RedirectResponse(target, status_code=303)(scope, receive, send)
        return
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="celeriac"'
    await problem.answer(error, scope, receive, send, headers)


def _is_of_our_page(scope: Scope) -> bool:
    """Whether a browser says that this changes nothing, or comes from a page of ours. What comes
    from another one has been refused already (`CrossSiteGuard`)."""
    headers = Headers(scope=scope)
    return scope["method"] in ("GET", "HEAD") or "origin" in headers or "sec-fetch-site" in headers


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page, which a person can sign in for."""
    accepted = Headers(scope=scope).get("accept", "")
    return scope["method"] == "GET" and accepted.startswith("text/html")


def bearer(header: str) -> str | None:
    """The token of an `Authorization` header; None for another scheme.

    >>> bearer("Bearer abc"), bearer("bearer  abc "), bearer("Basic abc"), bearer("")
    ('abc', 'abc', None, None)
    """
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
