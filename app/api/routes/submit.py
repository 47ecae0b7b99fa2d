"""Submitting jobs: a route for each kind, so that the reference shows its parameters."""

import math
import re
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.convertors import UUIDConvertor
from starlette.exceptions import HTTPException

from app.access.principal import Principal
from app.api.links import PREFIX, Links
from app.api.middleware.request_lifecycle import BodyRule
from app.api.openapi import Responses
from app.api.requests import BatchBody, IdempotencyKey, Submission
from app.api.services import LinksParam, PrincipalParam, Services, ServicesParam
from app.api.views import JobSummaryView, JobView, Listing
from app.errors import NotAuthorized, NotFound
from app.jobs.model.job import Job, JobRequest, JsonObject
from app.jobs.model.pipeline import Pipeline, Registry
from app.settings import MEBIBYTE

POLL_S = 1
LONGEST_POLL_S = 3600

ACCEPTED: Responses = {
    202: {
        "description": "The job is accepted.",
        "headers": {
            "Location": {"description": "Path of the job.", "schema": {"type": "string"}},
            "Retry-After": {
                "description": "Seconds to wait before the first request for it.",
                "schema": {"type": "integer"},
            },
        },
    }
}

_JOB = re.compile(UUIDConvertor.regex)
_ACTION = re.compile(f"({UUIDConvertor.regex}):(cancel|retry)")

_ACTION_ON = re.compile(":(cancel|retry)$")

EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

IdempotencyKeyHeader = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        description="A repeated request with the same key returns the same job. The key cannot be "
        "reused for a different request.",
    ),
]


BATCH_RULE = BodyRule(path_end="/jobs:batch", limit_bytes=16 * MEBIBYTE)


def add_kinds(router: APIRouter, registry: Registry) -> None:
    """Add a route for each kind. A router tries its routes in order, and these are used most."""
    for pipeline in registry.values():
        router.add_api_route(
            f"{PREFIX}/jobs/{pipeline.kind}",
            _endpoint(pipeline),
            methods=["POST"],
            status_code=202,
            response_model=JobView,
            responses=ACCEPTED,
            summary=pipeline.summary,
            operation_id=f"submit_{pipeline.kind.replace('-', '_')}",
            tags=["jobs"],
        )


def routes() -> APIRouter:
    """The route for batches, and one for requests that no other route accepts."""
    router = APIRouter(tags=["jobs"])
    router.add_api_route("/jobs:batch", submit_batch, methods=["POST"], status_code=202)
    router.add_api_route("/jobs/{name}", refuse, methods=EVERY_METHOD, include_in_schema=False)
    return router


def _endpoint(pipeline: Pipeline) -> Callable[..., Coroutine[Any, Any, Response]]:
    async def submit(
        body: Submission[BaseModel],
        services: ServicesParam,
        links: LinksParam,
        principal: PrincipalParam,
        idempotency_key: IdempotencyKeyHeader = None,
    ) -> Response:
        request = body.request(pipeline.kind, body.params, idempotency_key=idempotency_key)
        check_scope(principal, [request], services.registry)
        return await run_in_threadpool(_submit, services, request, links)

    submit.__annotations__["body"] = Submission[pipeline.params]  # type: ignore[name-defined]  # only known at run time
    return submit


def _submit(services: Services, request: JobRequest, links: Links) -> Response:
    """Submit, and build the response in the same thread: FastAPI would use another thread to
    validate it again."""
    return _accepted(accept(services, request), links)


def accept(services: Services, request: JobRequest) -> Job:
    """Submit a job and count it."""
    job = services.jobs.submit(request)
    services.metrics.count_accepted(job)
    return job


def check_scope(principal: Principal, requests: Iterable[JobRequest], registry: Registry) -> None:
    """Raises NotAuthorized if a job, or one that follows it, needs a wider scope."""
    check_kinds(
        principal,
        {kind for request in requests for kind in request.kinds if kind in registry},
        registry,
    )


def check_kinds(principal: Principal, kinds: Iterable[str], registry: Registry) -> None:
    """Raises NotAuthorized if one of these kinds of jobs needs a wider scope."""
    for kind in sorted(kinds):
        if not principal.may(registry[kind].scope):
            raise NotAuthorized(
                f"jobs of kind {kind!r} need a key of scope {registry[kind].scope.value!r}"
            )


def _accepted(job: Job, links: Links) -> Response:
    return Response(
        JobView.whole(job, links=links).model_dump_json(),
        status_code=202,
        media_type="application/json",
        headers={
            "Location": links.job(job.id),
            "Retry-After": str(poll_after_s(job, now=datetime.now(UTC))),
        },
    )


def poll_after_s(job: Job, *, now: datetime) -> int:
    """After how many seconds a client should first ask for a new job."""
    until_s = (job.not_before - now).total_seconds() if job.not_before is not None else 0.0
    return min(max(POLL_S, math.ceil(until_s)), LONGEST_POLL_S)


def refuse(name: str, request: Request, services: ServicesParam) -> None:
    """Answer requests that no other route accepts: wrong methods, unknown kinds, invalid ids."""
    registry = services.registry.public
    allowed = allowed_method(name, registry)
    if allowed is not None and allowed != request.method:
        raise HTTPException(405, headers={"Allow": allowed})
    job_id, is_action = _ACTION_ON.subn("", name)
    if is_action:
        raise NotFound(f"no job {job_id!r}")
    if request.method == "POST":
        raise unknown_kind(name, registry)
    raise NotFound(f"no job {name!r}")


def allowed_method(name: str, registry: Registry) -> str | None:
    """The method of `/jobs/{name}`; None if the name is unknown."""
    if _JOB.fullmatch(name):
        return "GET"
    return "POST" if name in registry or _ACTION.fullmatch(name) else None


def unknown_kind(kind: str, registry: Registry) -> NotFound:
    return NotFound(f"no kind {kind!r}; known kinds: {', '.join(sorted(registry))}")


def submit_batch(
    body: BatchBody, services: ServicesParam, principal: PrincipalParam
) -> Listing[JobSummaryView]:
    """Submit several jobs: either all are accepted or none. The response keeps their order."""
    requests = parse_batch(body, services.registry.public)
    check_scope(principal, requests, services.registry)
    jobs = services.jobs.submit_many(requests)
    services.metrics.count_accepted(*jobs)
    return Listing(items=tuple(JobSummaryView.of(job) for job in jobs))


def parse_batch(batch: BatchBody, registry: Registry) -> list[JobRequest]:
    """Parse each job by its kind. Raises RequestValidationError with the errors of all jobs."""
    requests: list[JobRequest] = []
    wrong: list[dict[str, Any]] = []  # pydantic's error details
    for number, item in enumerate(batch.jobs):
        location = ("body", "jobs", number)
        try:
            params = parse_params(item.kind, item.params, registry, location=(*location, "params"))
            requests.append(item.request(item.kind, params, idempotency_key=item.idempotency_key))
        except RequestValidationError as error:
            wrong += error.errors()
        except NotFound as error:
            wrong.append({"loc": (*location, "kind"), "type": "unknown_kind", "msg": str(error)})
    if wrong:
        raise RequestValidationError(wrong)
    return requests


def parse_params(
    kind: str, given: JsonObject, registry: Registry, *, location: Sequence[str | int] = ("body",)
) -> BaseModel:
    """Parse the parameters of a kind; `location` is their path in the request. Raises NotFound and
    RequestValidationError."""
    if kind not in registry:
        raise unknown_kind(kind, registry)
    try:
        return registry[kind].params.model_validate(given)
    except ValidationError as error:
        wrong = [{**found, "loc": (*location, *found["loc"])} for found in error.errors()]
        raise RequestValidationError(wrong) from error
