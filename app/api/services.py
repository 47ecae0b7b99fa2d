"""What the routes depend on: one value, built by composition and kept by the application."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request
from redis import asyncio as redis

from app.access import oidc
from app.access.authenticator import Authenticator
from app.access.keys import KeyStore
from app.access.oidc import OidcRules, TokenVerifier
from app.access.owner_quotas import OwnerQuotas
from app.access.principal import ADMIN, ANONYMOUS, METRICS, Principal
from app.access.sessions import SessionStore
from app.api.links import Links
from app.api.metrics import ApiMetrics, JobCounts
from app.broker.connections import address, redis_clients
from app.broker.connections.connection import Connection
from app.broker.queues.depth import DepthReader
from app.broker.redis_keys import Keys
from app.errors import InvalidInput
from app.jobs.content_stores import Stores
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from app.settings import ApiSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts that routes use."""

    settings: Settings
    registry: Registry
    celery: Celery
    stores: Stores
    schedules: Sequence[Scheduled]
    jobs: Jobs
    events: "redis.Redis"
    """Reads event streams."""
    broker: Connection
    """Checks that the broker is reachable, and reads the published pools of this machine."""
    depth: DepthReader
    """Reads the queues of that broker."""
    metrics: ApiMetrics
    job_counts: JobCounts
    keys: KeyStore
    sessions: SessionStore
    authenticator: Authenticator
    quotas: OwnerQuotas


@contextlib.asynccontextmanager
async def opened(platform: Platform, counters: ApiMetrics) -> AsyncIterator[Services]:
    """The parts of one platform, until the block ends."""
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
            quotas=platform.quotas,
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


async def of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def links(request: Request) -> Links:
    return Links(request.scope.get("root_path", ""))


async def principal(request: Request) -> Principal:
    found: Principal = request.scope["state"].get("principal") or ANONYMOUS
    return found


ServicesParam = Annotated[Services, Depends(of)]
LinksParam = Annotated[Links, Depends(links)]
PrincipalParam = Annotated[Principal, Depends(principal)]
