"""The routes of the console."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import jinja2
from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from app.console import attention, charts, waiting, words
from app.console.console_model import STATES, ConsoleSource, JobSearch, Json, Overview, Viewer
from app.console.history import SAMPLE_S, History
from app.errors import CeleriacError, NotFound

HERE = Path(__file__).parent

SNAPSHOT_KEPT_S = 1.0
"""Pages that are rendered within this time share one reading of queues and pools."""

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "celeriac_theme"
YEAR_S = 365 * 86_400

ENTRIES = (
    ("/", "Overview"),
    ("/queues", "Queues"),
    ("/pools", "Pools"),
    ("/jobs", "Jobs"),
    ("/failures", "Failures"),
)

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
    router.add_api_route("/theme", set_theme, methods=["POST"])
    router.add_api_route("/static/{name}", static_file, methods=["GET"])
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
    return await page(request, "jobs.html", search=search, found=found, states=STATES)


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
    return back_to(back, told)


async def set_theme(request: Request) -> Response:
    """Remember the theme in a cookie, so that the server sets it before the first paint."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    theme = form.get("theme", ["auto"])[0]
    answer = back_to(form.get("back", ["/"])[0], None)
    chosen = theme if theme in THEMES else "auto"
    answer.set_cookie(THEME_COOKIE, chosen, max_age=YEAR_S, httponly=True, samesite="strict")
    return answer


async def static_file(name: str) -> Response:
    path = HERE / "static" / name
    if name not in {"console.css", "console.js"}:
        raise NotFound(f"no file {name!r}")
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def viewer_of(request: Request) -> Viewer:
    """Who looks at the page; the middleware before it has found out."""
    found: Viewer = request.scope["state"]["viewer"]
    return found


def console_of(request: Request) -> Console:
    found: Console = request.app.state.console
    return found


def back_to(path: str, told: str | None) -> RedirectResponse:
    """To a page of ours: an address of another site is not followed."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    target = path if is_ours else "/"
    if told is not None:
        target += ("&" if "?" in target else "?") + urlencode({"done": told})
    return RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)


async def _missing(
    request: Request, text: str, *, status: HTTPStatus = HTTPStatus.NOT_FOUND
) -> Response:
    return await page(request, "message.html", status=status, text=text)


async def page(
    request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any
) -> HTMLResponse:  # values of several types
    console = console_of(request)
    seen = await console.overview(viewer_of(request))
    theme = request.cookies.get(THEME_COOKIE, "auto")
    shown = {
        "console": console,
        "seen": seen,
        "now": seen.at,
        "samples": console.history.samples(now=seen.at),
        "entries": ENTRIES,
        "path": request.url.path,
        "address": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "theme": theme if theme in THEMES else "auto",
        "themes": THEMES,
        "told": request.query_params.get("done"),
        "failed": sum(group.count for group in seen.failures),
        "viewer": viewer_of(request),
        **values,
    }
    return HTMLResponse(TEMPLATES.get_template(template).render(shown), status_code=status)


def _address(search: JobSearch, **changes: Json) -> str:
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


def _as_json(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": words.number,
        "duration": words.duration,
        "rate": words.rate,
        "size": words.size,
        "as_json": _as_json,
    }
    environment.globals |= {
        "ago": words.ago,
        "plural": words.plural,
        "job_address": _address,
        # SVG of numbers, with no text of users.
        "sparkline": lambda *args, **more: Markup(charts.sparkline(*args, **more)),
        "pool_chart": lambda *args, **more: Markup(charts.pool_chart(*args, **more)),
    }
    return environment


TEMPLATES = _environment()
