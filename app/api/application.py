"""The ASGI application: routes, middleware and exception handlers around one platform."""

import contextlib
import time
from collections.abc import AsyncIterator
from importlib import metadata

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from app.access import oidc
from app.access.authenticator import Authenticator
from app.access.keys import KeyStore
from app.access.oidc import OidcRules, TokenVerifier
from app.access.principal import ADMIN, METRICS, Principal
from app.access.sessions import SessionStore
from app.api import openapi, problem
from app.api.console_source import PlatformSource
from app.api.links import PREFIX
from app.api.metrics import ApiMetrics, JobCounts
from app.api.middleware import authorization
from app.api.middleware.access import CrossSiteGuard, KnownHosts
from app.api.middleware.authorization import Authorization
from app.api.middleware.request_lifecycle import (
    BodyLimit,
    Drain,
    Leaving,
    Measured,
    RequestContext,
)
from app.api.openapi import Responses
from app.api.problem import Problem
from app.api.routes import (
    console_settings,
    files,
    jobs,
    keys,
    listings,
    monitoring,
    notifications,
    originals,
    submit,
    videos,
)
from app.api.services import Services
from app.broker.connections import address, redis_clients
from app.broker.connections.connection import Connection
from app.broker.queues.depth import DepthReader
from app.broker.redis_keys import Keys
from app.console import pages
from app.console.pages import Console
from app.errors import InvalidInput
from app.jobs.platform import Platform
from app.settings import MEBIBYTE, ApiSettings
from app.telemetry import masking

BODY_LIMIT_BYTES = MEBIBYTE
"""Far more than a job's parameters need. Files go to `/uploads`."""

ANY_PROBLEM: Responses = {"default": {"model": Problem, "description": "An error (RFC 9457)."}}


def create_app(platform: Platform) -> FastAPI:
    """Build the API of one platform. Connections open when a request first needs them, and close
    when the application ends."""

    counters = ApiMetrics()
    leaving_file = platform.settings.api.leaving_file

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if leaving_file is not None:
            leaving_file.unlink(missing_ok=True)  # left by an earlier process
        async with _services(platform, counters) as services:
            app.state.services = services
            app.state.console = Console(PlatformSource(services), name=_name(platform))
            async with app.state.console.sampling():
                yield

    app = FastAPI(
        title="Celeriac",
        summary="Submit Celery jobs, follow them, cancel them, download their results.",
        version=metadata.version("celeriac"),
        lifespan=lifespan,
        exception_handlers=problem.HANDLERS,
        redirect_slashes=False,
        docs_url=None,  # our own page loads nothing from other servers
        redoc_url=None,
        responses=ANY_PROBLEM,
        generate_unique_id_function=_operation_id,
    )
    rules = [*files.body_rules(platform.settings.files), submit.BATCH_RULE]
    app.add_middleware(BodyLimit, default_bytes=BODY_LIMIT_BYTES, rules=rules)
    api = platform.settings.api
    app.add_middleware(
        Authorization,
        rules=authorization.build_rules(platform.registry.public),
        is_open=api.is_insecure,
        guards_loopback=api.guards_loopback,
    )
    app.add_middleware(CrossSiteGuard)
    app.add_middleware(KnownHosts, is_open=api.is_insecure, hosts=api.hosts)
    app.add_middleware(Drain)
    app.add_middleware(RequestContext)
    app.add_middleware(Measured, metrics=counters, clock=time.perf_counter)
    if leaving_file is not None:
        app.add_middleware(Leaving, mark=leaving_file)
    submit.add_kinds(app.router, platform.registry.public)
    for router in _versioned(platform):
        app.include_router(router, prefix=PREFIX)
    app.include_router(originals.router)
    app.include_router(videos.router)
    app.include_router(monitoring.router)
    app.include_router(openapi.router)
    app.include_router(pages.build_router())
    app.include_router(console_settings.router)
    authorization.check_routes(app, platform.registry.public)
    openapi.describe_problems(app)
    return app


def _versioned(platform: Platform) -> tuple[APIRouter, ...]:
    """A flat list: each nested router would be one more search for every request."""
    return (
        *(part.router for part in (jobs, files, listings, notifications, keys)),
        listings.pipelines(platform.registry.public),
        submit.routes(),  # last: it answers for unknown kinds and wrong methods
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


@contextlib.asynccontextmanager
async def _services(platform: Platform, counters: ApiMetrics) -> AsyncIterator[Services]:
    target = address.address_of(platform.settings.broker)
    keys, sessions = KeyStore(platform.database), SessionStore(platform.database)
    reader, broker = redis_clients.open_reader(target), Connection(target)
    try:
        yield Services(
            settings=platform.settings,
            registry=platform.registry,
            celery=platform.celery,
            stores=platform.stores,
            schedules=platform.schedules,
            jobs=platform.jobs,
            metrics=counters,
            job_counts=JobCounts(platform.jobs, platform.registry),
            events=reader,
            broker=broker,
            depth=DepthReader(broker, Keys(db=target.db)),
            keys=keys,
            sessions=sessions,
            authenticator=Authenticator(
                keys,
                given=_given_keys(platform.settings.api),
                provider=_provider(platform.settings.api),
                sessions=sessions,
            ),
        )
    finally:
        await reader.aclose()
        await broker.close()
        platform.close()


def _given_keys(settings: ApiSettings) -> dict[str, Principal]:
    given = {ADMIN: settings.admin_key, METRICS: settings.metrics_key}
    return {key.get_secret_value(): one for one, key in given.items() if key is not None}


def _provider(settings: ApiSettings) -> TokenVerifier | None:
    if settings.oidc_issuer is None:
        return None
    try:
        groups = oidc.parse_groups(settings.oidc_groups)
    except ValueError as error:
        raise InvalidInput(f"the setting CELERIAC_OIDC_GROUPS cannot be used: {error}") from None
    rules = OidcRules(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        groups=groups,
        groups_claim=settings.oidc_groups_claim,
        owner_claim=settings.oidc_owner_claim,
    )
    return TokenVerifier(rules, fetch=oidc.fetch_json)


def _name(platform: Platform) -> str:
    """The broker, without its secrets."""
    return masking.masked(platform.settings.broker.broker_url.get_secret_value())
