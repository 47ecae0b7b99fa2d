"""Task events of workers and clients, if the application sends them (`-E`, or
`worker_send_task_events` and `task_send_sent_event`).

An event is a dictionary. Workers may send several of them as one message (`task.multi`).
Protocol: `celery.events.dispatcher`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.broker.model import NodeName

ROUTING_KEYS = (
    *("task.sent", "task.received", "task.started", "task.succeeded", "task.failed"),
    *("task.rejected", "task.revoked", "task.retried", "task.multi"),
)


class TaskEventKind(StrEnum):
    """What happened to a task."""

    SENT = "sent"
    RECEIVED = "received"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    REVOKED = "revoked"
    RETRIED = "retried"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One event of one task. Fields that its kind does not have are `None`."""

    kind: TaskEventKind
    task_id: str
    node: NodeName
    """The worker, or the client for a sent event."""
    at_s: float
    """By the clock of the sender."""
    name: str | None = None
    """Of sent and received events; later ones refer to them by id."""
    queue: str | None = None
    """Of sent events."""
    runtime_s: float | None = None
    exception: str | None = None
    """The class of the exception that failed the task."""
    has_eta: bool = False
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Everything that the sender has written."""


def of_body(body: Any) -> tuple[TaskEvent, ...]:  # plain values of another program
    """Parse the task events in the body of a message; anything else is left out."""
    found = (_parse(each) for each in (body if isinstance(body, list | tuple) else [body]))
    return tuple(event for event in found if event is not None)


def _parse(body: Any) -> TaskEvent | None:  # plain values of another program
    if not isinstance(body, dict):
        return None
    try:
        return TaskEvent(
            kind=TaskEventKind(str(body["type"]).removeprefix("task-")),
            task_id=str(body["uuid"]),
            node=NodeName(str(body["hostname"])),
            at_s=float(body["timestamp"]),
            name=_text(body, "name"),
            queue=_text(body, "queue"),
            runtime_s=float(body["runtime"]) if body.get("runtime") is not None else None,
            exception=_exception(body),
            has_eta=body.get("eta") is not None,
            body=body,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _text(body: Mapping[str, Any], key: str) -> str | None:
    found = body.get(key)
    return found if isinstance(found, str) and found else None


def _exception(body: Mapping[str, Any]) -> str | None:
    """The name of the class; the event contains its `repr`, `ValueError('…')`."""
    shown = _text(body, "exception")
    return class_of(shown) if shown is not None else None


def class_of(shown: str) -> str:
    """The class of an exception that is shown as by `repr`."""
    return shown.partition("(")[0]
