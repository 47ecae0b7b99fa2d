"""What the forms of the console do. Each answers with the page that it was sent from, which says
what was done, and leaves a line in the history of actions."""

import ast
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.broker.model import NodeName
from app.console import rendering, words
from app.errors import BrokerUnreachable, InvalidInput
from app.foreign import queue_actions, task_search
from app.foreign.observer import Observer
from app.foreign.task_record import TaskRecord, TaskState
from app.foreign.waiting_messages import NewTask
from app.foreign.worker_actions import Acknowledged
from app.queues import QueueName

FORM_LIMIT_BYTES = 1_000_000
BULK_LIMIT = 10_000
"""Tasks that one form touches."""
BULK_AT_ONCE = 500

Json = Any  # a JSON value: the type system has no better word for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What a form needs to publish a task again. Texts are JSON, and empty where the arguments are
    not known whole."""

    args: str
    kwargs: str
    queue: str


Act = Callable[[Observer, str, Mapping[str, str]], Awaitable[str]]
"""Takes the subject and the form; returns what was done, as a sentence without its full stop."""


def again(task: TaskRecord) -> Again:
    """The form for a task, from its arguments as events show them."""
    args, kwargs = _literal(task.args), _literal(task.kwargs)
    return Again(
        args="" if not isinstance(args, list | tuple) else _json(list(args)),
        kwargs="" if not isinstance(kwargs, dict) else _json(kwargs),
        queue=task.series.queue,
    )


async def act_on_queue(request: Request) -> Response:
    name = request.path_params["name"]
    return await _act(request, "queue", QUEUE_ACTIONS, name, back=f"/queues/{quote(name, safe='')}")


async def act_on_worker(request: Request) -> Response:
    node = request.path_params["node"]
    return await _act(
        request, "worker", WORKER_ACTIONS, node, back=f"/workers/{quote(node, safe='')}"
    )


async def act_on_task(request: Request) -> Response:
    uuid = request.path_params["uuid"]
    return await _act(request, "task", TASK_ACTIONS, uuid, back=f"/tasks/{quote(uuid, safe='')}")


async def act_on_tasks(request: Request) -> Response:
    return await _act(request, "tasks", BULK_ACTIONS, "", back="/tasks")


async def _act(
    request: Request, kind: str, actions: Mapping[str, Act], subject: str, *, back: str
) -> Response:
    if not request.app.state.may_act:
        text = "This console is read-only.\n"
        return PlainTextResponse(text, status_code=HTTPStatus.FORBIDDEN)
    observer: Observer = request.app.state.observer
    form = await _form(request)
    act = actions.get(form.get("action", ""))
    if act is None:
        text = f"Choose one of: {', '.join(actions)}.\n"
        return PlainTextResponse(text, status_code=HTTPStatus.BAD_REQUEST)
    try:
        outcome = await act(observer, subject, form)
    except (InvalidInput, BrokerUnreachable) as error:
        outcome = f"Not done: {error}"
    observer.note(f"{kind}.{form['action']}", subject or form.get("q", ""), outcome)
    return rendering.back_to(form.get("back") or back, outcome)


async def _form(request: Request) -> dict[str, str]:
    """The last value of each field; nothing of a form that is too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_LIMIT_BYTES:
            return {}
    fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


async def _purge(observer: Observer, queue: str, _: Mapping[str, str]) -> str:
    count = await queue_actions.purge(observer.link, QueueName(queue))
    return f"{words.plural(count, 'message')} of queue {queue} deleted"


async def _move(observer: Observer, queue: str, form: Mapping[str, str]) -> str:
    target = form.get("target", "").strip()
    if target not in {one.name for one in observer.seen.queues}:
        raise InvalidInput(f"there is no queue {target!r} to move messages to")
    count = await queue_actions.move(observer.link, QueueName(queue), QueueName(target))
    return f"{words.plural(count, 'message')} moved from queue {queue} to {target}"


async def _pause(observer: Observer, queue: str, _: Mapping[str, str]) -> str:
    found = await observer.pause(queue)
    return _told(found, f"Queue {queue} is consumed no more")


async def _resume(observer: Observer, queue: str, _: Mapping[str, str]) -> str:
    found = await observer.resume(queue)
    if not (found.done or found.refused or found.silent):
        raise InvalidInput(
            f"no worker is known that has consumed queue {queue}: add it on the page of a worker"
        )
    return _told(found, f"Queue {queue} is consumed")


async def _resize(observer: Observer, node: str, form: Mapping[str, str]) -> str:
    by = _whole(form.get("slots", ""))
    signed = by if form["action"] == "grow" else -by
    found = await observer.workers.resize(NodeName(node), by=signed)
    observer.refresh()
    more = "more" if signed > 0 else "fewer"
    text = f"{words.plural(by, 'slot')} {more}"
    return _told(found, text)


async def _consume(observer: Observer, node: str, form: Mapping[str, str]) -> str:
    queue = form.get("queue", "").strip()
    if not queue:
        raise InvalidInput("name a queue")
    is_start = form["action"] == "add-consumer"
    act = observer.workers.consume if is_start else observer.workers.stop_consuming
    found = await act([NodeName(node)], queue)
    observer.refresh()
    text = f"Queue {queue} is consumed" + ("" if is_start else " no more")
    return _told(found, text)


async def _restart(observer: Observer, node: str, _: Mapping[str, str]) -> str:
    found = await observer.workers.restart_pool(NodeName(node))
    return _told(found, "The processes restart")


async def _shut_down(observer: Observer, node: str, _: Mapping[str, str]) -> str:
    await observer.workers.shut_down(NodeName(node))
    return f"Worker {node} was told to end once its running tasks have ended"


async def _revoke(observer: Observer, uuid: str, form: Mapping[str, str]) -> str:
    terminate = form["action"] == "terminate"
    found = await observer.workers.revoke(observer.awake(), [uuid], terminate=terminate)
    text = "Ended where it runs, and dropped" if terminate else "Dropped when a worker gets it"
    return _told(found, text)


async def _retry(observer: Observer, uuid: str, form: Mapping[str, str]) -> str:
    task = await run_in_threadpool(observer.reader.task, uuid)
    if task is None or not task.series.name:
        raise InvalidInput("the name of the task is not known")
    queue = form.get("queue", "").strip()
    if not queue:
        raise InvalidInput("name the queue to publish it to")
    new = NewTask(
        name=task.series.name,
        queue=QueueName(queue),
        args=_parsed(form.get("args", ""), list, "the arguments are no JSON list"),
        kwargs=_parsed(form.get("kwargs", ""), dict, "the keyword arguments are no JSON object"),
    )
    (new_id,) = await queue_actions.publish(observer.link, [new])
    return f"Published again to queue {queue} as {new_id}"


async def _retry_all(observer: Observer, _: str, form: Mapping[str, str]) -> str:
    """Publish again all that match. Those whose arguments or queue are not known are left out."""
    query = form.get("q", "")
    search = task_search.parse(query)
    if search.state not in (TaskState.FAILED, TaskState.LOST, TaskState.REVOKED):
        raise InvalidInput("only failed, lost and revoked tasks can be retried together")
    fallback = form.get("queue", "").strip()
    rows = await run_in_threadpool(observer.reader.repeatable, search, limit=BULK_LIMIT)
    new: list[NewTask] = []
    for row in reversed(rows):  # the oldest first
        args, kwargs, queue = _literal(row.args), _literal(row.kwargs), row.queue or fallback
        if row.name and queue and isinstance(args, list | tuple) and isinstance(kwargs, dict):
            task = NewTask(name=row.name, queue=QueueName(queue), args=list(args), kwargs=kwargs)
            if _is_json(task):
                new.append(task)
    for start in range(0, len(new), BULK_AT_ONCE):
        some = new[start : start + BULK_AT_ONCE]
        await queue_actions.publish(observer.link, some)
    left = len(rows) - len(new)
    rest = f"; {left:,} left out, whose arguments or queue are not known whole" if left else ""
    return f"{words.plural(len(new), 'task')} published again{rest}"


QUEUE_ACTIONS: Mapping[str, Act] = {
    "pause": _pause,
    "resume": _resume,
    "purge": _purge,
    "move": _move,
}
WORKER_ACTIONS: Mapping[str, Act] = {
    "grow": _resize,
    "shrink": _resize,
    "add-consumer": _consume,
    "cancel-consumer": _consume,
    "restart-pool": _restart,
    "shutdown": _shut_down,
}
TASK_ACTIONS: Mapping[str, Act] = {"revoke": _revoke, "terminate": _revoke, "retry": _retry}
BULK_ACTIONS: Mapping[str, Act] = {"retry": _retry_all}


def _told(found: Acknowledged, what: str) -> str:
    done = words.plural(len(found.done), "worker")
    parts = [f"{what}: confirmed by {done}"] if found.done else []
    parts += [f"{node} refuses: {reason}" for node, reason in found.refused.items()]
    if found.silent:
        parts.append(f"{words.plural(len(found.silent), 'worker')} did not answer in time")
    return "; ".join(parts) or "No worker is concerned"


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise InvalidInput(f"{text!r} is no whole number")
    return int(text)


def _parsed(text: str, kind: type, problem: str) -> Json:
    try:
        found = json.loads(text or ("[]" if kind is list else "{}"))
    except (ValueError, RecursionError):
        raise InvalidInput(problem) from None
    if not isinstance(found, kind):
        raise InvalidInput(problem)
    return found


def _literal(text: str) -> Json:
    """A value as Python shows it; None for one that is cut, or no literal."""
    try:
        return ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _is_json(task: NewTask) -> bool:
    try:
        json.dumps([task.args, task.kwargs])
    except (TypeError, ValueError):
        return False
    return True


def _json(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""
