"""The audit log: what each route does, and the middleware that adds its line.

Submits are noted with their rows (`audit_log.note`). All other lines are added when the response
is known, before it is sent.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus

from fastapi import FastAPI
from starlette._utils import get_route_path  # as the router reads the path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problem
from app.api.links import PREFIX
from app.api.middleware.route_table import RouteNotListed, RouteTable
from app.errors import CeleriacError
from app.jobs.model.pipeline import Registry
from app.storage import audit_log
from app.storage.audit_log import Act, AuditLog, Outcome

_log = logging.getLogger("celeriac.audit")

NOTHING = None
"""For routes that change nothing worth a line."""

ACTIONS: Mapping[str, str | None] = {
    "POST /sign-in": "session.begin",
    "POST /sign-out": "session.end",
    "POST /settings/keys": "key.change",
    "POST /jobs": "job.change",
    "POST /theme": NOTHING,
    f"POST {PREFIX}/jobs/{{job_id:uuid}}:cancel": "job.cancel",
    f"POST {PREFIX}/jobs/{{job_id:uuid}}:retry": "job.retry",
    f"POST {PREFIX}/jobs:batch": "job.submit",
    f"* {PREFIX}/jobs/{{name}}": NOTHING,
    f"POST {PREFIX}/uploads": "upload.create",
    f"POST {PREFIX}/notifications:read-all": "notification.read",
    f"POST {PREFIX}/notifications/{{notification_id:uuid}}:read": "notification.read",
    f"POST {PREFIX}/notifications/{{notification_id:uuid}}:unread": "notification.unread",
    f"POST {PREFIX}/webhooks:enable": "webhook.enable",
    f"POST {PREFIX}/keys": "key.create",
    f"POST {PREFIX}/keys/{{key_id}}:revoke": "key.revoke",
    f"PUT {PREFIX}/owners/{{owner}}/limits": "limits.set",
    f"DELETE {PREFIX}/owners/{{owner}}/limits": "limits.reset",
    "POST /upload-document": "job.submit",
    "POST /process-videos": "job.submit",
    "POST /scrape-youtube": "job.submit",
    "POST /api/videos/generate": "job.submit",
}
"""The action of each route that is no GET. Routes that submit a job of one kind are `job.submit`.
A download of what another owner has is `artifact.download`."""

REFUSALS_A_MINUTE = 100
"""Lines of refused requests in each process: strangers must not fill the database. What is left
out is added to the count of the next line."""

DOWNLOAD = "artifact.download"

_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def known_actions() -> tuple[str, ...]:
    """All actions that lines have."""
    found = {action for action in ACTIONS.values() if action not in (NOTHING, "key.change")}
    return tuple(sorted(str(action) for action in found | {DOWNLOAD}))


def build_actions(registry: Registry) -> RouteTable[str | None]:
    """The actions of the table, and of a route for each of these kinds of jobs."""
    kinds = {f"POST {PREFIX}/jobs/{kind}": "job.submit" for kind in registry}
    return RouteTable({**ACTIONS, **kinds}, default=NOTHING)


def check_routes(app: FastAPI, actions: RouteTable[str | None]) -> None:
    """Raises RouteNotListed unless every route that is no GET has an action."""
    if missing := ", ".join(one for one in actions.missing(app) if not one.startswith("GET ")):
        raise RouteNotListed(f"no action for {missing} (app.api.middleware.auditing.ACTIONS)")


class Auditing:
    """Adds the line of each act when its outcome is known."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        actions: RouteTable[str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._actions = actions
        self._refusals = _Refusals(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        act = self._begin(scope)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and act.action and not act.is_noted:
                act.is_noted = True
                await self._add(act, scope, message["status"])
            await send(message)

        with audit_log.performing(act):
            await self._app(scope, receive, send_noted)

    def _begin(self, scope: Scope) -> Act:
        client = scope.get("client")
        return Act(
            action=self._actions.find(scope["method"], get_route_path(scope)),
            address=client[0] if client else "",
            user_agent=Headers(scope=scope).get("user-agent", ""),
            request_id=problem.request_id(scope) or "",
        )

    async def _add(self, act: Act, scope: Scope, status: int) -> None:
        if status in _REFUSED:
            outcome = Outcome.REFUSED
            act.count = self._refusals.count()
        elif status < HTTPStatus.BAD_REQUEST:
            outcome = Outcome.DONE
        else:
            return  # nothing has happened
        if act.count == 0:
            return
        act.subject = act.subject or next(map(str, scope.get("path_params", {}).values()), "")
        log: AuditLog = scope["app"].state.services.stores.audit
        try:
            await run_in_threadpool(log.add, act, outcome)
        except CeleriacError as error:  # what was done is done, and is told all the same
            _log.error("audit line", extra={"error": str(error), "line": asdict(act)})


class _Refusals:
    """Lets so many refusals a minute through, and counts the others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minute = 0
        self._lines = 0
        self._left_out = 0

    def count(self) -> int:
        """For how many refusals a line is due now; 0 for none."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        self._lines += 1
        if self._lines > REFUSALS_A_MINUTE:
            self._left_out += 1
            return 0
        count, self._left_out = 1 + self._left_out, 0
        return count
