"""Signing in to the console, and its page of API keys."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from app.access.principal import AccessScope
from app.access.sessions import LIFETIME
from app.api.middleware import auditing
from app.api.middleware.authorization import SESSION_COOKIE
from app.api.routes.keys import KeyView
from app.api.services import Services, ServicesParam
from app.console import console_pages, rendering
from app.errors import NotAuthenticated
from app.storage import audit_log
from app.storage.audit_log import AuditFilter

LONGEST_DAYS = 3650
AUDIT_PAGE = 100

Text = Annotated[str, Query(max_length=200)]

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(back: str = "/") -> Response:
    return _sign_in(back=back, refused=None, status=HTTPStatus.OK)


@router.post("/sign-in")
async def sign_in(request: Request, services: ServicesParam) -> Response:
    """Begin a session for the holder of a key. Any session of before is not continued."""
    form = await _form(request)
    back = form.get("back", "/")
    try:
        principal = await run_in_threadpool(
            services.authenticator.authenticate, form.get("key", "").strip()
        )
    except NotAuthenticated as error:
        return _sign_in(back=back, refused=str(error), status=HTTPStatus.UNAUTHORIZED)
    if principal.key_id is None or principal.key_id.startswith("oidc:"):
        refused = "sign in with an API key: tokens of a provider are for programs"
        return _sign_in(back=back, refused=refused, status=HTTPStatus.UNAUTHORIZED)
    token = await run_in_threadpool(
        services.sessions.begin, principal.key_id, now=datetime.now(UTC)
    )
    act = audit_log.current()
    act.actor, act.key_id = principal.owner, principal.key_id
    answer = rendering.back_to(back, None)
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, services: ServicesParam) -> Response:
    token = request.cookies.get(SESSION_COOKIE)
    if token is not None:
        await run_in_threadpool(services.sessions.end, token)
    answer = rendering.back_to("/sign-in", None)
    answer.delete_cookie(SESSION_COOKIE)
    return answer


@router.get("/settings/keys")
async def keys_page(request: Request, services: ServicesParam) -> Response:
    return await _keys(request, services, created=None)


@router.post("/settings/keys")
async def change_keys(request: Request, services: ServicesParam) -> Response:
    """Create or revoke a key. A new one is in the answer and nowhere else."""
    form, now = await _form(request), datetime.now(UTC)
    if form.get("action") == "revoke":
        key_id = form.get("id", "")
        await run_in_threadpool(services.keys.revoke, key_id, now=now)
        services.authenticator.forget(key_id)
        audit_log.current().describe(action="key.revoke", subject=key_id)
        return rendering.back_to("/settings/keys", f"Key {key_id} revoked")
    name, days = form.get("name", "").strip(), form.get("days", "")
    lifetime = int(days) if days.isdecimal() and 0 < int(days) <= LONGEST_DAYS else None
    if not name or form.get("scope") not in set(AccessScope) or (days and lifetime is None):
        audit_log.current().describe(count=0)
        return rendering.back_to("/settings/keys", "A key needs a name, a scope and whole days")
    key, token = await run_in_threadpool(
        services.keys.create,
        name=name,
        owner=form.get("owner", "").strip() or name,
        scope=AccessScope(form["scope"]),
        expires_at=None if lifetime is None else now + timedelta(days=lifetime),
        now=now,
    )
    audit_log.current().describe(
        action="key.create", subject=key.id, detail=f"{key.scope} for {key.owner}"
    )
    return await _keys(request, services, created=str(token))


@router.get("/settings/audit")
async def audit_page(
    request: Request,
    services: ServicesParam,
    actor: Text = "",
    action: Text = "",
    subject: Text = "",
    cursor: Text = "",
) -> Response:
    wanted = AuditFilter(actor=actor, action=action, subject=subject)
    lines, next_cursor = await run_in_threadpool(
        services.stores.audit.read, wanted, cursor=cursor or None, limit=AUDIT_PAGE
    )
    older = {"actor": actor, "action": action, "subject": subject, "cursor": next_cursor or ""}
    return await console_pages.page(
        request,
        "audit.html",
        lines=lines,
        wanted=wanted,
        older=urlencode({name: value for name, value in older.items() if value}),
        has_older=next_cursor is not None,
        actions=auditing.known_actions(),
    )


async def _keys(request: Request, services: Services, *, created: str | None) -> Response:
    now = datetime.now(UTC)
    stored = await run_in_threadpool(services.keys.list)
    keys = [KeyView.of(key, now=now) for key in stored]
    return await console_pages.page(
        request, "keys.html", keys=keys, created=created, scopes=list(AccessScope)
    )


def _sign_in(*, back: str, refused: str | None, status: HTTPStatus) -> HTMLResponse:
    text = rendering.TEMPLATES.get_template("sign_in.html").render(back=back, refused=refused)
    return HTMLResponse(text, status_code=status)


async def _form(request: Request) -> dict[str, str]:
    """The last value of each field."""
    fields = parse_qs((await request.body()).decode(errors="replace"))
    return {name: values[-1] for name, values in fields.items()}
