"""Events of tasks, as celery puts them on the wire."""

import json

import pytest

from app.broker.messages import envelope
from app.broker.model import NodeName
from app.broker.workers import task_events
from app.broker.workers.task_events import TaskEvent, TaskEventKind
from app.errors import InvalidInput

FAILED = {
    "type": "task-failed",
    "uuid": "1",
    "hostname": "celery@pod",
    "timestamp": 5.0,
    "exception": "ValueError('no (good)')",
}


def wire(body: object) -> bytes:
    return envelope.build_message(body, exchange="celeryev", headers={}).encode()


def test_an_event_is_read_from_a_message_of_its_own() -> None:
    want = TaskEvent(
        kind=TaskEventKind.FAILED,
        task_id="1",
        node=NodeName("celery@pod"),
        at_s=5.0,
        exception="ValueError",
    )
    assert task_events.parse_events(wire(FAILED)) == (want,)


def test_events_of_one_message_come_in_order_without_what_is_none() -> None:
    received = {
        **FAILED,
        "type": "task-received",
        "name": "mail.send",
        "eta": "2030-01-01T00:00:00",
        "exception": None,
    }
    body = [received, {"type": "worker-heartbeat"}, "text", {**FAILED, "timestamp": "soon"}, FAILED]
    found = task_events.parse_events(wire(body))
    assert [(each.kind, each.name, each.has_eta) for each in found] == [
        (TaskEventKind.RECEIVED, "mail.send", True),
        (TaskEventKind.FAILED, None, False),
    ]


@pytest.mark.parametrize("raw", [b"", b"[]", json.dumps({"body": "x"}).encode()])
def test_a_message_that_is_none_of_kombus_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        task_events.parse_events(raw)
