"""What the routes depend on: one value, built by composition and kept by the application."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request
from redis import asyncio as redis

from app.access.authenticator import Authenticator
from app.access.keys import KeyStore
from app.access.principal import ANONYMOUS, Principal
from app.access.sessions import SessionStore
from app.api.links import Links
from app.api.metrics import ApiMetrics, JobCounts
from app.broker.connections.connection import Connection
from app.broker.queues.depth import DepthReader
from app.jobs.content_stores import Stores
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.pipeline import Registry
from app.jobs.service import Jobs
from app.settings import Settings


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
