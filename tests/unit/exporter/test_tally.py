"""Counting of events: what is joined by task id, and what is bounded."""

from dataclasses import replace

from app.broker.model import NodeName
from app.broker.workers.task_events import TaskEvent, TaskEventKind
from app.exporter import series
from app.exporter import tally as tallies
from app.exporter.tally import TaskLabels, TaskTally

POD = NodeName("celery@pod")


def event(kind: str, *, task_id: str = "1", at_s: float = 0.0, node: str = POD) -> TaskEvent:
    return TaskEvent(kind=TaskEventKind(kind), task_id=task_id, node=NodeName(node), at_s=at_s)


def noted(*events: TaskEvent, tally: TaskTally | None = None, now_s: float = 0.0) -> TaskTally:
    tally = tally if tally is not None else TaskTally()
    for each in events:
        tally.note(each, now_s=now_s)
    return tally


SENT = replace(event("sent", at_s=1.0, node="gen1@web"), name="mail.send", queue="mail")
RECEIVED = replace(event("received", at_s=2.0), name="mail.send")
STARTED = event("started", at_s=5.0)
SUCCEEDED = replace(event("succeeded", at_s=6.0), runtime_s=1.0)


def test_later_events_of_a_task_count_under_what_earlier_ones_told() -> None:
    tally = noted(SENT, RECEIVED, STARTED, SUCCEEDED)
    worker = tally.counts[TaskLabels("mail.send", "pod", "mail")]
    assert worker.by_kind == {
        TaskEventKind.RECEIVED: 1,
        TaskEventKind.STARTED: 1,
        TaskEventKind.SUCCEEDED: 1,
    }
    assert (worker.runtime.sum_s, worker.queue_wait.sum_s) == (1.0, 4.0)


def test_a_client_is_no_worker() -> None:
    tally = noted(SENT, RECEIVED)
    assert {labels.hostname: each.is_of_worker for labels, each in tally.counts.items()} == {
        "web": False,
        "pod": True,
    }


def test_a_wait_begins_with_the_receipt_where_the_publish_was_not_heard() -> None:
    tally = noted(RECEIVED, STARTED)
    (counts,) = tally.counts.values()
    assert counts.queue_wait.sum_s == 3.0


def test_a_task_that_was_meant_to_wait_has_not_waited() -> None:
    tally = noted(SENT, replace(RECEIVED, has_eta=True), STARTED)
    worker = tally.counts[TaskLabels("mail.send", "pod", "mail")]
    assert worker.queue_wait.buckets()[-1] == ("+Inf", 0.0)


def test_a_task_whose_beginning_was_not_heard_is_counted_all_the_same() -> None:
    tally = noted(SUCCEEDED)
    assert list(tally.counts) == [TaskLabels(tallies.UNKNOWN, "pod", tallies.DEFAULT_QUEUE)]


def test_combinations_past_the_limit_share_one() -> None:
    tally = TaskTally(series_limit=2)
    noted(*(replace(RECEIVED, task_id=str(n), name=f"t{n}") for n in range(50)), tally=tally)
    other = tally.counts[TaskLabels(tallies.OTHER, tallies.OTHER, tallies.OTHER)]
    assert (len(tally.counts), other.by_kind) == (3, {TaskEventKind.RECEIVED: 48})


def test_a_combination_without_events_makes_room_for_a_new_one() -> None:
    tally = TaskTally(series_limit=2)
    old, kept, new = (replace(RECEIVED, task_id=name, name=name) for name in ("old", "kept", "new"))
    noted(old, kept, tally=tally, now_s=0.0)
    noted(kept, tally=tally, now_s=series.FORGOTTEN_S - 1)
    noted(new, tally=tally, now_s=series.FORGOTTEN_S)
    assert [labels.name for labels in tally.counts] == ["kept", "new"]


def test_odd_names_are_bounded_and_printable() -> None:
    odd = "x\ud800" * 1_000_000
    tally = noted(
        replace(SENT, name=odd, queue=odd, node=NodeName(odd)),
        replace(event("failed", node=NodeName(odd)), exception=odd, at_s=float("nan")),
        replace(SUCCEEDED, task_id="2", runtime_s=float("inf")),
    )
    shown = [
        text
        for labels, counts in tally.counts.items()
        for text in (labels.name, labels.hostname, labels.queue, *counts.by_exception)
    ]
    assert all(len(text) <= 200 and text.isprintable() for text in shown)
    assert all(counts.runtime.sum_s == 0 for counts in tally.counts.values())


def test_exceptions_past_the_limit_share_one() -> None:
    failures = [
        replace(event("failed", task_id=str(n)), exception=f"E{n}")
        for n in range(tallies.EXCEPTION_LIMIT + 5)
    ]
    (counts,) = noted(*failures).counts.values()
    assert (len(counts.by_exception), counts.by_exception[tallies.OTHER]) == (
        tallies.EXCEPTION_LIMIT + 1,
        5,
    )


def test_hosts_that_are_silent_lose_their_series_unless_they_are_alive() -> None:
    tally = noted(RECEIVED, replace(RECEIVED, node=NodeName("celery@alive")), now_s=10.0)
    tally.forget_hosts(silent_since_s=20.0, but=frozenset({"alive"}))
    assert [labels.hostname for labels in tally.counts] == ["alive"]
