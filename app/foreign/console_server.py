"""The console of one application over HTTP."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.console import rendering
from app.console.browser_trust import PageGuard
from app.console.rendering import Entry
from app.errors import BrokerUnreachable, InvalidInput, NotFound
from app.foreign import (
    concerns,
    console_actions,
    queue_actions,
    task_record,
    task_search,
    waiting_reason,
)
from app.foreign.observer import Observer
from app.foreign.task_record import TaskRecord, TaskState
from app.foreign.task_search import TaskSearch
from app.foreign.waiting_messages import WaitingMessage
from app.queues import QueueName

PAGE = 50
NEXT_MESSAGES = 20
ACTIONS = 200
STATES = tuple(state.value for state in TaskState)
QUERY_LIMIT = 1_000
"""Characters of a query line."""

_CURSOR = re.compile(r"\d{1,18}")


def build(
    observer: Observer,
    *,
    hosts: Sequence[str] = (),
    is_open: bool = False,
    is_read_only: bool = False,
) -> Starlette:
    """The ASGI application. `hosts` and `is_open` are those of `browser_trust.unknown_host`;
    with `is_read_only` nothing can be changed through it."""

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        await observer.open()
        application.state.observer = observer
        application.state.may_act = not is_read_only
        yield
        await observer.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", overview_page),
            Route("/queues", queues_page),
            Route("/queues/{name:path}", queue_page),
            Route("/queues/{name:path}", console_actions.act_on_queue, methods=["POST"]),
            Route("/workers", workers_page),
            Route("/workers/{node:path}", worker_page),
            Route("/workers/{node:path}", console_actions.act_on_worker, methods=["POST"]),
            Route("/tasks", tasks_page),
            Route("/tasks", console_actions.act_on_tasks, methods=["POST"]),
            Route("/tasks/{uuid:path}", task_page),
            Route("/tasks/{uuid:path}", console_actions.act_on_task, methods=["POST"]),
            Route("/failures", failures_page),
            Route("/activity", activity_page),
            Route("/theme", rendering.set_theme, methods=["POST"]),
            Route("/static/{name}", _static_file),
            Route("/healthz", _healthz),
        ],
        middleware=[
            Middleware(PageGuard, is_open=is_open, hosts=hosts),
        ],
        exception_handlers={404: _no_page},
    )


async def overview_page(request: Request) -> Response:
    seen = _observer(request).seen
    return _page(request, "application.html", concerns=concerns.concerns(seen))


async def queues_page(request: Request) -> Response:
    return _page(request, "application_queues.html")


async def queue_page(request: Request) -> Response:
    name = request.path_params["name"]
    queue = next((one for one in _observer(request).seen.queues if one.name == name), None)
    if queue is None:
        return _missing(request, f"There is no queue {name!r}.", link="/queues", words="All queues")
    recent = await _tasks(request, TaskSearch(series={"queue": name}))
    observer = _observer(request)
    link, key = observer.link, QueueName(name)
    messages: list[WaitingMessage] = []
    by_step: Mapping[int, int] = {}
    with suppress(BrokerUnreachable):  # the page says so above
        messages = await queue_actions.next_messages(link, key, limit=NEXT_MESSAGES)
        by_step = await queue_actions.lengths(link, key)
    return _page(
        request,
        "application_queue.html",
        queue=queue,
        recent=recent,
        messages=messages,
        by_step=by_step,
        is_paused=name in observer.paused,
    )


async def workers_page(request: Request) -> Response:
    return _page(request, "workers.html")


async def worker_page(request: Request) -> Response:
    node = request.path_params["node"]
    worker = next((one for one in _observer(request).seen.workers if one.node == node), None)
    if worker is None:
        text = f"No worker {node!r} is alive."
        return _missing(request, text, link="/workers", words="All workers")
    running = await _tasks(request, TaskSearch(series={"worker": node}, state=TaskState.RUNNING))
    recent = await _tasks(request, TaskSearch(series={"worker": node}))
    return _page(request, "worker.html", worker=worker, running=running, recent=recent)


async def tasks_page(request: Request) -> Response:
    query = request.query_params.get("q", "")[:QUERY_LIMIT]
    try:
        search = task_search.parse(query)
        state = request.query_params.get("state")
        if state in STATES:
            search = task_search.in_state(search, TaskState(state))
    except InvalidInput as error:
        return _page(
            request,
            "tasks.html",
            status=HTTPStatus.BAD_REQUEST,
            query=query,
            problem_of_query=str(error),
            search=TaskSearch(),
            found=None,
            states=STATES,
            address_of=_address_of(query),
        )
    cursor = request.query_params.get("before", "")
    before = int(cursor) if _CURSOR.fullmatch(cursor) else None
    found = await _tasks(request, search, before=before)
    line = task_search.show(search)
    return _page(
        request,
        "tasks.html",
        query=line,
        problem_of_query=None,
        search=search,
        found=found,
        states=STATES,
        address_of=_address_of(line),
    )


async def task_page(request: Request) -> Response:
    uuid = request.path_params["uuid"]
    observer = _observer(request)
    task = await run_in_threadpool(observer.reader.task, uuid)
    waits = None
    if task is None or task.series.state not in task_record.ENDS:
        waits = await _why(observer, uuid, task)
    if task is None:
        text = f"No event has told of task {uuid!r}."
        return _missing(request, text, link="/tasks", words="All tasks", more=waits)
    related = await run_in_threadpool(observer.reader.related, task.root) if task.root else []
    return _page(
        request,
        "task.html",
        task=task,
        family=[one for one in related if one.uuid != task.uuid],
        steps=_steps(task),
        waits=waits,
        again=console_actions.again(task),
    )


async def _why(observer: Observer, uuid: str, task: TaskRecord | None) -> str | None:
    try:
        facts = await observer.waits.facts(
            uuid, seen=observer.seen, task=task, paused=observer.paused
        )
    except BrokerUnreachable as error:
        return f"The broker gives no answer: {error}"
    return waiting_reason.why(facts)


async def failures_page(request: Request) -> Response:
    return _page(request, "task_failures.html", link_of=concerns.failure_link)


async def activity_page(request: Request) -> Response:
    lines = await run_in_threadpool(_observer(request).reader.actions, limit=ACTIONS)
    return _page(request, "activity.html", lines=lines)


async def _static_file(request: Request) -> Response:
    try:
        return await rendering.static_file(request.path_params["name"])
    except NotFound as error:
        return PlainTextResponse(str(error), status_code=HTTPStatus.NOT_FOUND)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _no_page(request: Request, _: Exception) -> Response:
    text = f"There is no page {request.url.path!r}."
    return _missing(request, text, link="/", words="Overview")


async def _tasks(request: Request, search: TaskSearch, *, before: int | None = None) -> Any:
    reader = _observer(request).reader
    return await run_in_threadpool(reader.page, search, before=before, limit=PAGE)


def _observer(request: Request) -> Observer:
    found: Observer = request.app.state.observer
    return found


def _missing(
    request: Request, text: str, *, link: str, words: str, more: str | None = None
) -> Response:
    return _page(
        request,
        "message.html",
        status=HTTPStatus.NOT_FOUND,
        text=text,
        back_link=link,
        back_words=words,
        more=more,
    )


def _page(
    request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any
) -> Response:  # values of several types
    observer = _observer(request)
    seen = observer.seen
    shown = {
        **rendering.frame(
            request,
            name=str(observer.link.address),
            at=seen.at,
            entries=(
                Entry(link="/", name="Overview", key="o"),
                Entry(link="/queues", name="Queues", key="q"),
                Entry(link="/workers", name="Workers", key="w"),
                Entry(link="/tasks", name="Tasks", key="t"),
                Entry(
                    link="/failures",
                    name="Failures",
                    key="f",
                    count=sum(group.recent for group in seen.failures),
                ),
                Entry(link="/activity", name="Activity", key="a"),
            ),
            problem=seen.problem,
        ),
        "seen": seen,
        "samples": observer.charts.samples(now=seen.at),
        "moment": _moment,
        "may_act": request.app.state.may_act,
        **values,
    }
    text = rendering.TEMPLATES.get_template(template).render(shown)
    return HTMLResponse(text, status_code=status)


def _address_of(query: str) -> Any:
    """A function that gives the address of the list with these filters and a change."""

    def address(**changes: Any) -> str:
        given: Mapping[str, Any] = {"q": query, **changes}
        text = urlencode({name: value for name, value in given.items() if value})
        return f"/tasks?{text}" if text else "/tasks"

    return address


def _moment(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _steps(task: TaskRecord) -> list[tuple[datetime | None, str, str, str, float | None]]:
    """Time, kind, node and error of each event, and how long after the one before it came."""
    before: float | None = None
    found = []
    for at_s, kind, node, error in task.log:
        gap_s = None if before is None else max(0.0, at_s - before)
        found.append((_moment(at_s), kind, node, error, gap_s))
        before = at_s
    return found
