"""Limits the requests of each owner. Runs within `Authorization`, which knows the owner."""

import math

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import owner_quotas
from app.access.owner_quotas import OwnerQuotas
from app.access.principal import Principal
from app.api import problem
from app.errors import CeleriacError

_MINUTE_S = int(owner_quotas.MINUTE_S)


class RequestQuota:
    """Counts requests, refuses those over the limit, and says in each response what is left
    (draft-ietf-httpapi-ratelimit-headers)."""

    def __init__(self, app: ASGIApp, *, quotas: OwnerQuotas) -> None:
        self._app = app
        self._quotas = quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("state", {}).get("principal")
        owner = "" if principal is None else principal.owner
        known = self._quotas.limits.cached(owner)
        if known is not None and known.requests_per_minute is None:
            await self._app(scope, receive, send)
            return
        try:
            taken = await run_in_threadpool(self._quotas.take_request, owner)
        except CeleriacError as error:
            await problem.answer(error, scope, receive, send)
            return
        if taken is None:
            await self._app(scope, receive, send)
            return
        limit, use = taken
        left = max(0, limit - use.used)

        async def send_with_limit(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = f'"requests";q={limit};w={_MINUTE_S}'
                resets_in_s = math.ceil(use.resets_in_s)
                headers["RateLimit"] = f'"requests";r={left};t={resets_in_s}'
            await send(message)

        if use.is_taken:
            await self._app(scope, receive, send_with_limit)
            return
        refusal = owner_quotas.exceeded(owner_quotas.REQUESTS, owner, limit=limit, use=use)
        await problem.answer(refusal, scope, receive, send_with_limit)
