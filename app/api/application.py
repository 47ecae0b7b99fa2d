"""The ASGI application: routes, middleware and exception handlers around one platform."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from importlib import metadata

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette._utils import get_route_path  # as the router reads the path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api import openapi, openapi_document, problem, services
from app.api.console_source import PlatformSource
from app.api.links import PREFIX
from app.api.metrics import ApiMetrics
from app.api.middleware import auditing, authorization
from app.api.middleware.auditing import Auditing
from app.api.middleware.authorization import Authorization, Scopes
from app.api.middleware.browser_guards import CrossSiteGuard, KnownHosts
from app.api.middleware.request_lifecycle import (
    BodyLimit,
    Drain,
    Leaving,
    Measured,
    RequestContext,
)
from app.api.middleware.request_quota import RequestQuota
from app.api.openapi import Responses
from app.api.problem import Problem
from app.api.routes import (
    audit,
    console_settings,
    files,
    jobs,
    keys,
    listings,
    monitoring,
    notifications,
    originals,
    owners,
    submit,
    videos,
)
from app.console import console_pages
from app.console.console_pages import Console
from app.jobs.platform import Platform
from app.settings import MEBIBYTE
from app.telemetry import masking

BODY_LIMIT_BYTES = MEBIBYTE
"""Far more than a job's parameters need. Files go to `/uploads`."""

ANY_PROBLEM: Responses = {"default": {"model": Problem, "description": "An error (RFC 9457)."}}


def create_app(platform: Platform) -> FastAPI:
    """Build the API of one platform. Connections open when a request first needs them, and close
    when the application ends."""
    counters = ApiMetrics()
    app = FastAPI(
        title="Celeriac",
        summary="Submit Celery jobs, follow them, cancel them, download their results.",
        version=metadata.version("celeriac"),
        lifespan=_lifespan(platform, counters),
        exception_handlers=problem.HANDLERS,
        redirect_slashes=False,
        docs_url=None,  # our own page loads nothing from other servers
        redoc_url=None,
        responses=ANY_PROBLEM,
        generate_unique_id_function=_operation_id,
    )
    scopes = authorization.build_scopes(platform.registry.public)
    _add_middleware(app, platform, counters, scopes)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _method_refusal(scopes))
    _add_routes(app, platform)
    authorization.check_routes(app, scopes)
    auditing.check_routes(app, auditing.build_actions(platform.registry.public))
    needs_key = platform.settings.api.guards_loopback and not platform.settings.api.is_insecure
    openapi_document.complete(app, platform.registry.public, scopes, needs_key=needs_key)
    return app


def _lifespan(
    platform: Platform, counters: ApiMetrics
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    leaving_file = platform.settings.api.leaving_file

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if leaving_file is not None:
            leaving_file.unlink(missing_ok=True)  # left by an earlier process
        async with services.opened(platform, counters) as found:
            app.state.services = found
            app.state.console = Console(PlatformSource(found), name=_name(platform))
            async with app.state.console.sampling():
                yield

    return lifespan


def _add_middleware(app: FastAPI, platform: Platform, counters: ApiMetrics, scopes: Scopes) -> None:
    """The last one added is the first that a request passes."""
    api = platform.settings.api
    rules = [*files.body_rules(platform.settings.files), submit.BATCH_RULE]
    app.add_middleware(BodyLimit, default_bytes=BODY_LIMIT_BYTES, rules=rules)
    app.add_middleware(RequestQuota, quotas=platform.quotas)
    app.add_middleware(
        Authorization,
        scopes=scopes,
        is_open=api.is_insecure,
        guards_loopback=api.guards_loopback,
    )
    app.add_middleware(Auditing, actions=auditing.build_actions(platform.registry.public))
    app.add_middleware(CrossSiteGuard)
    app.add_middleware(KnownHosts, is_open=api.is_insecure, hosts=api.hosts)
    app.add_middleware(Drain)
    app.add_middleware(RequestContext)
    app.add_middleware(Measured, metrics=counters, clock=time.perf_counter)
    if api.leaving_file is not None:
        app.add_middleware(Leaving, mark=api.leaving_file)


def _method_refusal(scopes: Scopes) -> problem.Handler:
    """The handler of 405. The router names the methods of the first route with this path alone."""

    async def refuse(request: Request, error: HTTPException) -> Response:
        methods = scopes.at(get_route_path(request.scope))
        if methods and "*" not in methods:
            error.headers = {"Allow": ", ".join(sorted(methods))}
        return await problem.on_http_exception(request, error)

    return refuse


def _add_routes(app: FastAPI, platform: Platform) -> None:
    submit.add_kinds(app.router, platform.registry.public)
    for router in _versioned(platform):
        app.include_router(router, prefix=PREFIX)
    app.include_router(originals.router)
    app.include_router(videos.router)
    app.include_router(monitoring.router)
    app.include_router(openapi.router)
    app.include_router(console_pages.build_router())
    app.include_router(console_settings.router)


def _versioned(platform: Platform) -> tuple[APIRouter, ...]:
    """A flat list: each nested router would be one more search for every request."""
    return (
        *(part.router for part in (jobs, files, listings, notifications, keys, owners, audit)),
        listings.pipelines(platform.registry.public),
        submit.routes(),  # last: it answers for unknown kinds and wrong methods
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


def _name(platform: Platform) -> str:
    """The broker, without its secrets."""
    return masking.masked(platform.settings.broker.broker_url.get_secret_value())
