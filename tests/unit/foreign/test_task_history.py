"""The history of tasks: events in any order, filters, groups of failures, retention."""

import itertools
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.broker.workers import task_events
from app.broker.workers.task_events import TaskEvent
from app.errors import InvalidInput
from app.foreign import task_search
from app.foreign.history_reader import HistoryReader
from app.foreign.history_writer import HistoryWriter, Retention
from app.foreign.task_record import TaskRecord, TaskState

NOW = 1_800_000_000.0
DAY_S = 86_400.0
FOREVER = Retention(tasks_s=1e9, failures_s=1e9, size_bytes=1 << 40)
TRACEBACK = 'Traceback\n  File "/srv/shop/orders.py", line 7, in charge\nValueError: no card'


def event(kind: str, uuid: str, at_s: float, **fields: Any) -> TaskEvent:
    body = {"type": f"task-{kind}", "uuid": uuid, "timestamp": at_s, "hostname": "w@a", **fields}
    (found,) = task_events.of_body(body)
    return found


def run(
    uuid: str, at_s: float, *, name: str = "charge", worker: str = "w@a", **end: Any
) -> list[TaskEvent]:
    """The events of one run, which fails if an exception is given."""
    begin = {"name": name, "args": f"('{uuid}', 5)", "kwargs": "{}", "hostname": worker}
    kind = "failed" if "exception" in end else "succeeded"
    return [
        event("received", uuid, at_s, **begin),
        event("started", uuid, at_s + 1, hostname=worker),
        event(kind, uuid, at_s + 2, hostname=worker, **end),
    ]


class Clock:
    now_s = NOW

    def __call__(self) -> float:
        return self.now_s


class Kept:
    """A history with its writer and reader."""

    def __init__(self, path: Path, retention: Retention = FOREVER) -> None:
        self.clock = Clock()
        self.path = path
        self.writer = HistoryWriter(path, retention=retention, clock=self.clock)
        self.reader = HistoryReader(path, clock=self.clock)

    def add(self, events: Sequence[TaskEvent], **only_queues: str) -> None:
        self.writer.add(events, only_queues=only_queues)

    def found(self, query: str = "", limit: int = 50) -> list[str]:
        """The ids that match, over all pages."""
        search, before, ids = task_search.parse(query), None, []
        while True:
            page = self.reader.page(search, before=before, limit=limit)
            ids += [task.uuid for task in page.tasks]
            before = page.next_cursor
            if before is None:
                return ids

    def assert_counts_are_true(self) -> None:
        """The counts by state are those of the rows."""
        with sqlite3.connect(self.path) as connection:
            rows = connection.execute(
                "SELECT state, count(*) FROM task JOIN series ON series.id = series GROUP BY state"
            ).fetchall()
        assert dict(rows) == self.reader.counts()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path / "history.sqlite")
    yield found
    found.writer.close()


LIFE = (
    event("sent", "t", NOW + 5, name="charge", queue="shop", hostname="client@b"),
    event("received", "t", NOW + 1, name="charge", args="(1,)", kwargs="{}"),
    event("started", "t", NOW + 2),
    event("retried", "t", NOW + 3, exception="ValueError('later')", traceback=TRACEBACK),
    event("received", "t", NOW + 4, name="charge", args="(1,)", kwargs="{}", retries=1),
    event("started", "t", NOW + 6, hostname="w@b"),
    event("succeeded", "t", NOW + 7, hostname="w@b", result="5", runtime=0.9),
)


OVERTAKEN = (
    event("received", "t", NOW + 1, name="send"),
    event("started", "t", NOW + 2),
    event("received", "t", NOW + 3, name="send", retries=1),
    event("started", "t", NOW + 4),
    event("failed", "t", NOW + 5, exception="ValueError('again')", traceback=TRACEBACK),
    event("retried", "t", NOW + 5.001, exception="KeyError('first')", traceback=""),
)


@given(st.permutations(OVERTAKEN))
def test_a_retry_that_is_told_after_the_end_of_the_next_attempt_is_none(
    events: list[TaskEvent],
) -> None:
    """With a countdown of 0 and threads, a worker sends these events in this order."""
    record = TaskRecord(uuid="t")
    for one in events:
        record.add(one)
    assert (record.series.state, record.series.exception) == (TaskState.FAILED, "ValueError")
    assert record.ended_at == NOW + 5


@given(st.permutations(LIFE), st.integers(0, len(LIFE)))
@settings(max_examples=100, deadline=None)
def test_events_in_any_order_make_the_same_task(events: list[TaskEvent], doubled: int) -> None:
    """A client's clock may be ahead, and events may come twice."""
    record = TaskRecord(uuid="t")
    for one in (*events, *events[:doubled]):
        record.add(one)
    assert record.series.state is TaskState.SUCCEEDED
    assert (record.series.name, record.series.queue) == ("charge", "shop")
    assert (record.series.worker, record.series.exception) == ("w@b", "")
    assert (record.runtime_s, record.retries, record.args, record.result) == (0.9, 1, "(1,)", "5")
    assert [kind for _, kind, *_ in record.log] == [
        *("received", "started", "retried", "received", "sent", "started", "succeeded")
    ]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_counts_are_exact_however_events_are_grouped(kept: Kept, size: int) -> None:
    runs = [run(f"t{n}", NOW + n) for n in range(20)]
    runs += [run(f"f{n}", NOW + n, exception="ValueError('no')") for n in range(7)]
    runs += [run(f"r{n}", NOW + n)[:2] for n in range(3)]
    mixed = list(itertools.chain.from_iterable(itertools.zip_longest(*runs)))
    events = [one for one in mixed if one is not None]
    for start in range(0, len(events), size):
        kept.add(events[start : start + size])
    assert kept.reader.counts() == {"succeeded": 20, "failed": 7, "running": 3}
    kept.assert_counts_are_true()


def test_a_filter_finds_all_that_match_and_nothing_else(kept: Kept) -> None:
    kept.add(run("a1", NOW, name="orders.charge") + run("a2", NOW + 1, name="orders.ship"))
    kept.add(run("b1", NOW + 2, name="mail.send", worker="w@b"), **{"w@b": "mail"})
    kept.add(run("f1", NOW + 3, name="orders.charge", exception="KeyError('x')"))
    assert kept.found() == ["f1", "b1", "a2", "a1"]
    assert kept.found("task:orders.*") == ["f1", "a2", "a1"]
    assert kept.found("task:orders.charge state:succeeded") == ["a1"]
    assert kept.found("queue:mail") == kept.found("worker:w@b") == ["b1"]
    assert kept.found("exception:KeyError") == ["f1"]
    assert kept.found("task:[o]rders.*") == []
    assert kept.found("a2") == kept.found("argument:a2") == ["a2"]
    assert kept.found("task:mail.* argument:a2") == []
    assert kept.found('"a2 5"') == ["a2"]


@pytest.mark.parametrize("query", ["", "argument:5", "state:succeeded", "task:rare"])
def test_pages_meet_without_a_gap_or_an_overlap(kept: Kept, query: str) -> None:
    names = ["rare" if n % 40 == 0 else "charge" for n in range(120)]
    for n, name in enumerate(names):
        kept.add(run(f"t{n}", NOW + n, name=name))
    found = kept.found(query, limit=7)
    expected = [f"t{n}" for n, name in enumerate(names) if query != "task:rare" or name == "rare"]
    assert found == expected[::-1]


def test_failures_are_grouped_by_task_exception_and_place(kept: Kept) -> None:
    for n in range(5):
        kept.add(run(f"v{n}", NOW - n, exception="ValueError('no card')", traceback=TRACEBACK))
    kept.add(run("old", NOW - 2 * 3600, exception="KeyError('k')"))
    first, second = kept.reader.failures()
    assert (first.name, first.exception, first.place) == (
        *("charge", "ValueError"),
        "orders.py:7 in charge",
    )
    assert (first.count, first.recent, sum(first.trend)) == (5, 5, 5)
    assert first.example_error == "ValueError('no card')"
    assert (second.exception, second.count, second.recent) == ("KeyError", 1, 0)


def test_tasks_of_a_vanished_worker_are_lost_and_its_fetched_ones_wait_again(kept: Kept) -> None:
    kept.add(run("runs", NOW)[:2] + run("fetched", NOW)[:1] + run("done", NOW))
    kept.add(run("other", NOW, worker="w@b")[:2])
    assert kept.writer.lose(["w@a"]) == 2
    assert kept.reader.counts() == {"lost": 1, "queued": 1, "running": 1, "succeeded": 1}
    kept.assert_counts_are_true()
    kept.add(run("runs", NOW + 90, worker="w@b"))  # another one has got the message
    assert kept.found("state:lost") == []
    assert "runs" in kept.found("state:succeeded worker:w@b")


def test_old_tasks_go_and_failures_stay_longer(tmp_path: Path) -> None:
    retention = Retention(tasks_s=2 * DAY_S, failures_s=5 * DAY_S, size_bytes=1 << 40)
    kept = Kept(tmp_path / "history.sqlite", retention)
    for days in range(8):
        at_s = NOW - days * DAY_S - 60
        kept.add(run(f"s{days}", at_s) + run(f"f{days}", at_s, exception="ValueError('v')"))
    kept.writer.prune()
    assert Counter(uuid[0] for uuid in kept.found()) == {"s": 2, "f": 5}
    assert kept.found("argument:s5") == []
    kept.assert_counts_are_true()
    kept.writer.close()


def test_a_full_history_loses_its_oldest_tasks_first_and_failures_last(tmp_path: Path) -> None:
    retention = Retention(tasks_s=1e9, failures_s=1e9, size_bytes=400_000)
    kept = Kept(tmp_path / "history.sqlite", retention)
    for n in range(400):
        padding = {"result": "x" * 2_000}
        kept.add(run(f"s{n}", NOW + n, **padding))
    kept.add(run("f", NOW, exception="ValueError('v')"))
    assert kept.writer.prune() > 200
    left = kept.found()
    assert left[0] == "f"
    assert left[1:] == [f"s{n}" for n in range(399, 400 - len(left), -1)]
    kept.assert_counts_are_true()
    kept.writer.close()


def test_a_history_outlives_its_process_and_belongs_to_its_owner_alone(kept: Kept) -> None:
    kept.add(run("t", NOW))
    kept.writer.close()
    again = Kept(kept.path)
    assert again.found() == ["t"]
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    again.writer.close()


def test_a_file_that_is_no_history_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("not a database, but notes " * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(InvalidInput, match="history"):
            HistoryWriter(path, retention=FOREVER, clock=Clock())
        assert path.read_bytes() == before


def test_texts_of_any_kind_are_kept(kept: Kept) -> None:
    kept.add(run("half \ud800 pair", NOW, exception="ValueError('\ud800 \x00')", result=5))
    assert len(kept.found("state:failed")) == 1


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("colour:red", "no filter 'colour'; there are: task, queue"),
        ("state:done", "no state 'done'; there are: queued"),
        ("task:", "filter 'task' needs a value"),
        ('"open', "a quote is not closed"),
    ],
)
def test_a_wrong_filter_is_explained(query: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        task_search.parse(query)


@given(
    st.dictionaries(
        st.sampled_from(["task", "queue", "worker", "exception", "place", "argument"]),
        st.text("abc.*:/7 -", min_size=1).map(str.strip).filter(bool),
    )
)
def test_a_query_line_is_shown_as_it_is_parsed(filters: dict[str, str]) -> None:
    line = " ".join(f'"{key}:{value}"' for key, value in filters.items())
    search = task_search.parse(line)
    assert task_search.parse(task_search.show(search)) == search
