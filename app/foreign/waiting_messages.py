"""Messages of tasks as they wait in the lists of a queue (Celery's message protocol 2)."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from app.broker.messages import bodies, envelope
from app.errors import InvalidInput
from app.queues import QueueName

TEXT_LIMIT = 2_000
"""Characters of arguments that are shown."""

Json = Any  # a JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessage:
    """A message that no worker has fetched. Unknown texts are empty."""

    task_id: str
    name: str
    args: str
    kwargs: str
    eta: str
    retries: int
    priority: int
    """Its step: workers take 0 first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to publish. The arguments are JSON values."""

    name: str
    queue: QueueName
    args: Sequence[Json] = ()
    kwargs: Mapping[str, Json] = field(default_factory=dict)


def parse(raw: bytes, *, priority: int) -> WaitingMessage:
    """Read a message; what cannot be read is empty."""
    try:
        message = json.loads(raw)
        headers = dict(message.get("headers") or {})
    except (ValueError, TypeError, AttributeError, RecursionError):
        message, headers = {}, {}
    args, kwargs = _arguments(message, headers)
    retries = headers.get("retries")
    return WaitingMessage(
        task_id=_text(headers.get("id")),
        name=_text(headers.get("task")),
        args=args,
        kwargs=kwargs,
        eta=_text(headers.get("eta")),
        retries=retries if isinstance(retries, int) else 0,
        priority=priority,
    )


def name_of_held(raw: bytes) -> str:
    """The name of the task in a value of the hash of fetched messages."""
    try:
        message, *_ = json.loads(raw)
        return _text(message["headers"]["task"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def id_pattern(task_id: str) -> re.Pattern[bytes]:
    """Matches messages of a task. Arguments are in base64, where it never matches."""
    quoted = re.escape(json.dumps(task_id).encode())
    return re.compile(rb'"(?:id|correlation_id)": ?' + quoted)


def build(task: NewTask, *, task_id: str, origin: str) -> str:
    """A message for a queue's list, as a client of Celery writes it."""
    args, kwargs = list(task.args), dict(task.kwargs)
    headers = {
        "lang": "py",
        "task": task.name,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": repr(tuple(args)),
        "kwargsrepr": repr(kwargs),
        "origin": origin,
        "ignore_result": False,
    }
    links = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([args, kwargs, links]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": bodies.JSON,
            "headers": headers,
            "properties": {
                "correlation_id": task_id,
                "reply_to": str(uuid4()),
                "delivery_mode": 2,
                "delivery_info": _to(task.queue),
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
            },
        }
    )


def readdressed(raw: bytes, queue: QueueName) -> bytes:
    """The message with another queue as its address: a worker that dies gives it back there.

    Raises:
        InvalidInput: it is not a message of kombu.
    """
    try:
        message = json.loads(raw)
        message["properties"]["delivery_info"] = _to(queue)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidInput("not a message of kombu's") from error
    return json.dumps(message).encode()


def _to(queue: QueueName) -> dict[str, str]:
    """The default exchange: the routing key is the name of the queue."""
    return {"exchange": "", "routing_key": queue}


def _arguments(message: Any, headers: Mapping[str, Any]) -> tuple[str, str]:  # JSON values
    try:
        args, kwargs, *_ = envelope.envelope_of(message).open()
        return _shown(args), _shown(kwargs)
    except (InvalidInput, ValueError, TypeError):
        return _text(headers.get("argsrepr")), _text(headers.get("kwargsrepr"))


def _shown(value: Any) -> str:  # a plain value
    return repr(value)[:TEXT_LIMIT]


def _text(value: Any) -> str:  # a JSON value
    return value[:TEXT_LIMIT] if isinstance(value, str) else ""
