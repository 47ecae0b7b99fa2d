"""Whether this process lives, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api import context, problem
from app.api.services import Services, ServicesParam
from app.errors import CeleriacError
from app.jobs.model.job import JobId

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 3.0
"""Shorter than the time-outs of probes, so that the answer names the part that is silent."""

NO_JOB = JobId("00000000-0000-0000-0000-000000000000")


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Check(BaseModel):
    """One thing that the API needs."""

    ok: bool
    detail: str = ""


class Ready(BaseModel):
    """Everything that the API needs answers."""

    status: str = "ready"
    checks: dict[str, Check]


@router.get("/healthz")
async def is_alive() -> Alive:
    """For liveness probes: the process alone. A database that is away heals by no restart."""
    return Alive()


@router.get(
    "/readyz",
    response_model=Ready,
    responses={503: {"description": "Not ready: `checks` tells why."}},
)
async def is_ready(request: Request, services: ServicesParam) -> Response | Ready:
    """For readiness probes: the database with its tables, and the broker."""
    database, broker = await asyncio.gather(
        _check(run_in_threadpool(services.platform.jobs.find, NO_JOB)), _check(_ping(services))
    )
    checks = {"database": database, "broker": broker}
    if database.ok and broker.ok:
        return Ready(checks=checks)
    return problem.response(_not_ready(checks), request_id=context.request_id(request.scope))


def _not_ready(checks: dict[str, Check]) -> problem.Problem:
    silent = [name for name, check in checks.items() if not check.ok]
    told = {name: check.model_dump() for name, check in checks.items()}
    found = problem.of_kind(problem.NOT_READY, f"not ready: {', '.join(silent)}")
    return found.model_copy(update={"checks": told})


async def _check(work: Awaitable[Any]) -> Check:  # Any: what it gives does not matter
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await work
    except TimeoutError:
        return Check(ok=False, detail=f"no answer within {CHECK_TIMEOUT_S:g} s")
    except CeleriacError as error:
        return Check(ok=False, detail=str(error))
    return Check(ok=True)


async def _ping(services: Services) -> None:
    async with services.broker.asking(timeout_s=CHECK_TIMEOUT_S) as client:
        await client.ping()
