"""Liveness, readiness and metrics of this process."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    generate_latest,
)
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api import metrics, problem
from app.api.services import Services, ServicesParam
from app.errors import CeleriacError
from app.jobs.model.job import JobId
from app.telemetry import scraping

logger = logging.getLogger(__name__)

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 3.0
"""Shorter than the timeouts of probes, so that the response names the part that is silent."""

NO_JOB = JobId("00000000-0000-0000-0000-000000000000")


class LivenessView(BaseModel):
    """The process answers."""

    status: str = "alive"


class ReadinessCheck(BaseModel):
    """The check of a service that the API depends on."""

    ok: bool
    detail: str = ""


class ReadinessView(BaseModel):
    """All services that the API depends on answer."""

    status: str = "ready"
    checks: dict[str, ReadinessCheck]


@router.get("/healthz")
async def is_alive() -> LivenessView:
    """Liveness of the process alone: a restart does not help if the database is unavailable."""
    return LivenessView()


@router.get(
    "/readyz",
    response_model=ReadinessView,
    responses={503: {"description": "Not ready; `checks` says why."}},
)
async def is_ready(request: Request, services: ServicesParam) -> Response | ReadinessView:
    """Readiness: whether the database (with its tables) and the broker answer."""
    database, broker = await asyncio.gather(
        _check(run_in_threadpool(services.jobs.find, NO_JOB)), _check(_ping(services))
    )
    checks = {"database": database, "broker": broker}
    if database.ok and broker.ok:
        return ReadinessView(checks=checks)
    return problem.response(_not_ready(checks), request_id=problem.request_id(request.scope))


def _not_ready(checks: dict[str, ReadinessCheck]) -> problem.Problem:
    silent = [name for name, check in checks.items() if not check.ok]
    results = {name: check.model_dump() for name, check in checks.items()}
    found = problem.of_type(problem.NOT_READY, f"not ready: {', '.join(silent)}")
    return found.model_copy(update={"checks": results})


async def _check(work: Awaitable[Any]) -> ReadinessCheck:  # Any: its result is not used
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await work
    except TimeoutError:
        return ReadinessCheck(ok=False, detail=f"no answer within {CHECK_TIMEOUT_S:g} s")
    except CeleriacError as error:
        logger.warning("not ready", extra={"reason": str(error)})
        return ReadinessCheck(ok=False, detail=error.client_message)
    return ReadinessCheck(ok=True)


async def _ping(services: Services) -> None:
    async with services.broker.asking(timeout_s=CHECK_TIMEOUT_S) as client:
        await client.ping()


@router.get("/metrics", include_in_schema=False)
async def scrape(services: ServicesParam) -> Response:
    """Metrics for Prometheus. Not part of the API for clients, and so not of its schema."""
    of_jobs = await services.job_counts.families()
    of_pools = tuple(await metrics.of_local_pools(services.broker))
    refused = tuple(await metrics.of_refused_messages(services.broker))
    registry = CollectorRegistry()
    registry.register(scraping.Collected(lambda: (*of_jobs, *of_pools, *refused)))
    text = generate_latest(services.metrics.registry) + generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
