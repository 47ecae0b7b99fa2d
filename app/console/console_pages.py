"""The routes of the console."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from app.console import attention, rendering, waiting, words
from app.console.console_model import STATES, ConsoleSource, JobSearch, Json, Overview, Viewer
from app.console.history import SAMPLE_S, History
from app.console.rendering import Entry
from app.errors import CeleriacError, NotFound

SNAPSHOT_KEPT_S = 1.0
"""Pages that are rendered within this time share one reading of queues and pools."""

ENTRIES = (
    Entry(link="/", name="Overview", key="o"),
    Entry(link="/queues", name="Queues", key="q"),
    Entry(link="/pools", name="Pools", key="p"),
    Entry(link="/jobs", name="Jobs", key="j"),
)
ADMIN_ENTRIES = (
    Entry(link="/settings/keys", name="API keys"),
    Entry(link="/settings/audit", name="Audit log"),
)
API_ENTRY = Entry(link="/docs", name="API reference")

_ACTIONS = {"cancel": "cancelled", "retry": "retried"}


class Console:
    """The pages of one source, with the history that they show."""

    def __init__(self, source: ConsoleSource, *, name: str) -> None:
        self.source = source
        self.name = name
        self.history = History()
        self._lock = asyncio.Lock()
        self._seen: dict[str, Overview] = {}

    @contextlib.asynccontextmanager
    async def sampling(self) -> AsyncIterator[None]:
        """Keep the history while the block runs."""
        task = asyncio.create_task(self._sample(), name="console history")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def overview(self, viewer: Viewer) -> Overview:
        """What there is now for this viewer, read at most once in `SNAPSHOT_KEPT_S`. Those who may
        administer all see the same."""
        owner = "" if viewer.may_administer else viewer.name
        async with self._lock:
            now = datetime.now(UTC)
            kept = timedelta(seconds=SNAPSHOT_KEPT_S)
            self._seen = {name: one for name, one in self._seen.items() if now - one.at <= kept}
            if owner not in self._seen:
                self._seen[owner] = await self.source.overview()
            return self._seen[owner]

    async def _sample(self) -> None:
        while True:
            with contextlib.suppress(CeleriacError):  # a gap, and the pages say why
                self.history.add(await self.source.capacity())
            await asyncio.sleep(SAMPLE_S)


def build_router() -> APIRouter:
    """The routes. Each finds its `Console` in the state of the application."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", overview_page, methods=["GET", "HEAD"])
    router.add_api_route("/queues", queues_page, methods=["GET"])
    router.add_api_route("/pools", pools_page, methods=["GET"])
    router.add_api_route("/pools/{name}", pool_page, methods=["GET"])
    router.add_api_route("/jobs", jobs_page, methods=["GET"])
    router.add_api_route("/jobs/{job_id}", job_page, methods=["GET"])
    router.add_api_route("/jobs", act_on_jobs, methods=["POST"])
    router.add_api_route("/failures", failures_page, methods=["GET"])
    router.add_api_route("/theme", rendering.set_theme, methods=["POST"])
    router.add_api_route("/static/{name}", rendering.static_file, methods=["GET"])
    return router


async def overview_page(request: Request) -> Response:
    console = console_of(request)
    seen = await console.overview(viewer_of(request))
    return await page(request, "overview.html", concerns=attention.concerns(seen))


async def queues_page(request: Request) -> Response:
    return await page(request, "queues.html")


async def pools_page(request: Request) -> Response:
    return await page(request, "pools.html")


async def pool_page(request: Request, name: str) -> Response:
    seen = await console_of(request).overview(viewer_of(request))
    found = next((pool for pool in seen.pools if pool.name == name), None)
    if found is None:
        return await _missing(request, f"There is no pool {name!r}.")
    return await page(request, "pool.html", pool=found)


async def failures_page(request: Request) -> Response:
    return await page(request, "failures.html")


SearchText = Annotated[str | None, Query(max_length=200)]


async def jobs_page(
    request: Request,
    state: SearchText = None,
    kind: SearchText = None,
    label: Annotated[list[str] | None, Query()] = None,
    parent: SearchText = None,
    dead: bool = False,  # noqa: FBT001, FBT002  # as the address has it
    cursor: SearchText = None,
) -> Response:
    pairs = (pair.partition("=") for pair in label or ())
    search = JobSearch(
        state=state if state in STATES else None,
        kind=kind or None,
        labels={key: value for key, _, value in pairs if key},
        parent=parent or None,
        is_dead_lettered=dead,
        cursor=cursor,
    )
    found = await console_of(request).source.jobs(search)
    return await page(
        request, "jobs.html", search=search, found=found, states=STATES, job_address=job_address
    )


async def job_page(request: Request, job_id: str) -> Response:
    try:
        detail = await console_of(request).source.job(job_id)
    except NotFound:
        return await _missing(request, f"There is no job {job_id!r}.")
    seen = await console_of(request).overview(viewer_of(request))
    return await page(
        request, "job.html", detail=detail, job=detail.job, waits=waiting.why(detail, seen)
    )


async def act_on_jobs(request: Request) -> Response:
    """Cancel or retry the jobs of a form, then show the page that it was sent from."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    action, ids = form.get("action", [""])[0], form.get("id", [])
    source = console_of(request).source
    if action not in _ACTIONS or not ids:
        return await _missing(request, "Choose at least one job.", status=HTTPStatus.BAD_REQUEST)
    act = source.cancel if action == "cancel" else source.retry
    done = await act(ids, viewer_of(request))
    told = f"{words.plural(done, 'job')} of {len(ids)} {_ACTIONS[action]}"
    back = form.get("back", ["/jobs"])[0]
    return rendering.back_to(back, told)


def viewer_of(request: Request) -> Viewer:
    """Who looks at the page; the middleware before it has found out."""
    found: Viewer = request.scope["state"]["viewer"]
    return found


def console_of(request: Request) -> Console:
    found: Console = request.app.state.console
    return found


async def _missing(
    request: Request, text: str, *, status: HTTPStatus = HTTPStatus.NOT_FOUND
) -> Response:
    return await page(request, "message.html", status=status, text=text)


async def page(
    request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any
) -> HTMLResponse:  # values of several types
    console = console_of(request)
    seen = await console.overview(viewer_of(request))
    viewer = viewer_of(request)
    failed = sum(group.count for group in seen.failures)
    shown = {
        **rendering.frame(
            request,
            name=console.name,
            at=seen.at,
            entries=_entries(viewer, failed=failed),
            problem=seen.problem,
        ),
        "seen": seen,
        "samples": console.history.samples(now=seen.at),
        "viewer": viewer,
        **values,
    }
    text = rendering.TEMPLATES.get_template(template).render(shown)
    return HTMLResponse(text, status_code=status)


def _entries(viewer: Viewer, *, failed: int) -> tuple[Entry, ...]:
    failures = Entry(link="/failures", name="Failures", key="f", count=failed)
    return (*ENTRIES, failures, *(ADMIN_ENTRIES if viewer.may_administer else ()), API_ENTRY)


def job_address(search: JobSearch, **changes: Json) -> str:
    """The address of the list of jobs with these filters."""
    given: Mapping[str, Json] = {
        "state": search.state,
        "kind": search.kind,
        "label": [f"{key}={value}" for key, value in search.labels.items()],
        "parent": search.parent,
        "dead": "true" if search.is_dead_lettered else None,
    } | changes
    query = urlencode({key: value for key, value in given.items() if value}, doseq=True)
    return f"/jobs?{query}" if query else "/jobs"
