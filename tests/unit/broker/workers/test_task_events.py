"""Events of tasks, as celery puts them on the wire."""

from app.broker.model import NodeName
from app.broker.workers import task_events
from app.broker.workers.task_events import TaskEvent, TaskEventKind

FAILED = {
    "type": "task-failed",
    "uuid": "1",
    "hostname": "celery@pod",
    "timestamp": 5.0,
    "exception": "ValueError('no (good)')",
}


def test_an_event_is_read_from_a_message_of_its_own() -> None:
    want = TaskEvent(
        kind=TaskEventKind.FAILED,
        task_id="1",
        node=NodeName("celery@pod"),
        at_s=5.0,
        exception="ValueError",
    )
    assert task_events.of_body(FAILED) == (want,)


def test_events_of_one_message_come_in_order_without_what_is_none() -> None:
    received = {
        **FAILED,
        "type": "task-received",
        "name": "mail.send",
        "eta": "2030-01-01T00:00:00",
        "exception": None,
    }
    body = [received, {"type": "worker-heartbeat"}, "text", {**FAILED, "timestamp": "soon"}, FAILED]
    found = task_events.of_body(body)
    assert [(each.kind, each.name, each.has_eta) for each in found] == [
        (TaskEventKind.RECEIVED, "mail.send", True),
        (TaskEventKind.FAILED, None, False),
    ]
