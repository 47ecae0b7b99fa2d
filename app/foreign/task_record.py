"""What is known of one task, from events that arrive in any order."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.broker.model import NodeName
from app.broker.workers import task_events
from app.broker.workers.task_events import TaskEvent, TaskEventKind

TEXT_LIMIT = 20_000
"""Characters that are kept of arguments, results and tracebacks."""
LOG_LIMIT = 100
"""Events that are kept of one task; the first ones go first."""
LABEL_LIMIT = 200
"""Characters of names."""

_FRAME = re.compile(r'File "(?P<file>[^"\n]*)", line (?P<line>\d+), in (?P<function>\S+)')
_LIBRARY = re.compile(r"[/\\](site-packages|dist-packages|lib[/\\]python[0-9.]+)[/\\]")


class TaskState(StrEnum):
    """The state of a task. `lost`: its worker has vanished while it ran."""

    QUEUED = "queued"
    RECEIVED = "received"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVOKED = "revoked"
    REJECTED = "rejected"
    LOST = "lost"


_STATES = {
    TaskEventKind.SENT: TaskState.QUEUED,
    TaskEventKind.RECEIVED: TaskState.RECEIVED,
    TaskEventKind.STARTED: TaskState.RUNNING,
    TaskEventKind.RETRIED: TaskState.RETRYING,
    TaskEventKind.SUCCEEDED: TaskState.SUCCEEDED,
    TaskEventKind.FAILED: TaskState.FAILED,
    TaskEventKind.REVOKED: TaskState.REVOKED,
    TaskEventKind.REJECTED: TaskState.REJECTED,
}
_RANKS = {kind: rank for rank, kind in enumerate(_STATES)}
_BEGINS = (TaskEventKind.RECEIVED, TaskEventKind.STARTED)
ENDS = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.REVOKED, TaskState.REJECTED})


@dataclass(frozen=True, slots=True)
class Series:
    """What tasks are counted and filtered by. Unknown texts are empty."""

    name: str = ""
    queue: str = ""
    worker: str = ""
    exception: str = ""
    """The class that failed the task, or made it retry."""
    place: str = ""
    """The innermost frame of the application itself in the traceback."""
    state: TaskState = TaskState.QUEUED


@dataclass(slots=True, kw_only=True)
class TaskRecord:
    """One task. Times are in seconds since the epoch, by the clocks of those who sent them."""

    uuid: str
    series: Series = field(default_factory=Series)
    id: int | None = None
    """Ascending in the order in which tasks were first seen; None before it is stored."""
    stored_series: int | None = None
    stored_words: tuple[str, str] | None = None
    """Its arguments as they are indexed."""
    seen_at: float = 0.0
    state_at: float = 0.0
    sent_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    runtime_s: float | None = None
    retries: int = 0
    args: str = ""
    kwargs: str = ""
    eta: str = ""
    root: str = ""
    parent: str = ""
    result: str = ""
    error: str = ""
    """The exception as the worker has shown it, with its message."""
    traceback: str = ""
    log: list[list[Any]] = field(default_factory=list)
    """Time, kind, node and text of each event."""

    def add(self, event: TaskEvent, *, queue: str = "") -> bool:
        """Add what an event tells; `queue` is the only one that its worker consumes. Returns
        whether the state has changed."""
        if any(at == event.at_s and kind == event.kind for at, kind, *_ in self.log):
            return False
        self._add_facts(event, queue=queue)
        self._add_texts(event)
        self.log.append([event.at_s, event.kind.value, event.node, _text(event, "exception")])
        self.log.sort(key=lambda one: (one[0], _RANKS[TaskEventKind(one[1])]))
        del self.log[:-LOG_LIMIT]
        if event.kind is TaskEventKind.SUCCEEDED:
            self.runtime_s = event.runtime_s
        return self._set_state()

    def _add_facts(self, event: TaskEvent, *, queue: str) -> None:
        known = self.series
        self.series = Series(
            name=(event.name or known.name)[:LABEL_LIMIT],
            queue=(event.queue or known.queue or queue)[:LABEL_LIMIT],
            worker=known.worker,
            exception=known.exception,
            place=known.place,
            state=known.state,
        )
        self.seen_at = self.seen_at or event.at_s
        match event.kind:
            case TaskEventKind.SENT:
                self.sent_at = event.at_s
            case TaskEventKind.RECEIVED:
                self.received_at = event.at_s
            case TaskEventKind.STARTED:
                self.started_at = event.at_s
            case _:
                pass

    def _add_texts(self, event: TaskEvent) -> None:
        self.args = self.args or _text(event, "args")
        self.kwargs = self.kwargs or _text(event, "kwargs")
        self.root = self.root or _text(event, "root_id")
        self.parent = self.parent or _text(event, "parent_id")
        self.eta = _text(event, "eta") or self.eta
        self.result = _text(event, "result") or self.result
        failed_at = max((at for at, *_, error in self.log if error), default=0.0)
        if event.at_s >= failed_at:
            self.error = _text(event, "exception") or self.error
            self.traceback = _text(event, "traceback") or self.traceback
        retries = event.body.get("retries")
        if isinstance(retries, int):
            self.retries = max(self.retries, retries)

    def _set_state(self) -> bool:
        """Set the state from all events. Returns whether it has changed."""
        at_s, kind, node, error = self._deciding()
        state = _STATES[kind]
        is_failure = state in (TaskState.FAILED, TaskState.RETRYING)
        before = (self.series.state, self.state_at)
        self.series = Series(
            name=self.series.name,
            queue=self.series.queue,
            worker="" if kind is TaskEventKind.SENT else node[:LABEL_LIMIT],
            exception=task_events.class_of(error)[:LABEL_LIMIT] if is_failure else "",
            place=place_of(self.traceback)[:LABEL_LIMIT] if is_failure else "",
            state=state,
        )
        self.state_at = at_s
        self.ended_at = at_s if state in ENDS else None
        return before != (state, at_s)

    def _deciding(self) -> tuple[float, TaskEventKind, str, str]:
        """The event that tells the state. A client's clock is its own: what workers tell counts
        more. A retry is told by the attempt before, so it may come after the end of the next."""
        events = [(at, TaskEventKind(kind), node, error) for at, kind, node, error in self.log]
        told = [one for one in events if one[1] is not TaskEventKind.SENT] or events
        begins = [one for one in told if one[1] in _BEGINS]
        ends = [one for one in told if _STATES[one[1]] in ENDS]
        if ends and (not begins or ends[-1][0] >= begins[-1][0]):
            return ends[-1]
        return told[-1]


def place_of(traceback: str) -> str:
    """File, line and function of the innermost frame that is not in a library.

    >>> library = 'File "/usr/lib/python3.12/json/decoder.py", line 337, in decode'
    >>> place_of('File "/srv/shop/orders.py", line 7, in charge ' + library)
    'orders.py:7 in charge'
    """
    frames = list(_FRAME.finditer(traceback))
    own = [frame for frame in frames if not _LIBRARY.search(frame["file"])] or frames
    if not own:
        return ""
    file = re.split(r"[/\\]", own[-1]["file"])[-1]
    return f"{file}:{own[-1]['line']} in {own[-1]['function']}"


def storable(event: TaskEvent) -> TaskEvent:
    """The event without halves of surrogate pairs, which no database stores."""
    names = (event.task_id, event.node, event.name or "", event.queue or "", event.exception or "")
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        uuid, node, name, queue, exception = map(_encodable, names)
        return replace(
            event,
            task_id=uuid,
            node=NodeName(node),
            name=name or None,
            queue=queue or None,
            exception=exception or None,
        )
    return event


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def log_of(text: str) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(text or "[]")
    return found


def shown_log(log: Sequence[Sequence[Any]]) -> str:
    return json.dumps(log, separators=(",", ":"))


def _text(event: TaskEvent, key: str) -> str:
    """A text of the event; other values as JSON. Half a surrogate pair cannot be stored."""
    found = event.body.get(key)
    if found is None:
        return ""
    text = found if isinstance(found, str) else json.dumps(found, default=repr)
    return _encodable(text[:TEXT_LIMIT])
