"""Writes events of tasks into the history, many in one transaction, and removes what is old."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from app.broker.workers.task_events import TaskEvent, TaskEventKind
from app.foreign import history_schema, task_record
from app.foreign.task_record import Series, TaskRecord, TaskState

T = TypeVar("T")

VARIABLES = 500
"""Values of one statement."""
ROWS_AT_ONCE = 2_000
"""Tasks that one transaction removes: readers and events wait no longer than for that."""
MINUTE_S = 60
FLOW_KEPT_S = 2 * 86_400
SPARED_PART = 0.1
"""Part of the tasks that is removed where the file is too large."""

_FAILURES = (TaskState.FAILED, TaskState.LOST, TaskState.REJECTED)
_TASK = (
    "id, uuid, series, seen_at, state_at, sent_at, received_at, started_at, ended_at, "
    "runtime_s, retries"
)
_DETAIL = "id, args, kwargs, eta, root, parent, result, error, traceback, log"
_SERIES = "name, queue, worker, exception, place, state"

Flow = Counter[tuple[int, str, str, str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long tasks are kept."""

    tasks_s: float
    failures_s: float
    """Tasks that failed, were rejected or lost."""
    size_bytes: int
    """Size of the file, from which on the oldest tasks go first, and failures last."""


class HistoryWriter:
    """The only writer of a history."""

    def __init__(self, path: Path, *, retention: Retention, clock: Callable[[], float]) -> None:
        """Raises InvalidInput: the file cannot be used."""
        self._connection = history_schema.open_writer(path)
        self._retention = retention
        self._clock = clock
        self._series: dict[Series, int] = {}

    def close(self) -> None:
        self._connection.close()

    def add(self, events: Sequence[TaskEvent], *, only_queues: Mapping[str, str]) -> None:
        """Add events, which may come in any order. `only_queues` names the queue of each worker
        that consumes just one."""
        events = [task_record.storable(event) for event in events]
        with self._transaction():
            uuids = {event.task_id for event in events}
            known = load(self._connection, uuids)
            records = {uuid: known.get(uuid) or TaskRecord(uuid=uuid) for uuid in uuids}
            flow: Flow = Counter()
            for event in events:
                record = records[event.task_id]
                is_new = not record.log
                has_moved = record.add(event, queue=only_queues.get(event.node, ""))
                self._count(flow, event, record, is_new=is_new, has_moved=has_moved)
            self._save(records.values())
            self._add_flow(flow)

    def lose(self, workers: Iterable[str]) -> int:
        """Mark the tasks that these vanished workers ran as lost, and those that they had fetched
        as queued: the broker gives them to others. Returns how many there were."""
        moved = 0
        with self._transaction():
            for worker in workers:
                for old, new in (
                    (TaskState.RUNNING, TaskState.LOST),
                    (TaskState.RECEIVED, TaskState.QUEUED),
                ):
                    moved += self._move_all(worker, old, new)
        return moved

    def note(self, action: str, subject: str, outcome: str) -> None:
        """Keep that something was done through the console."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO action (at, action, subject, outcome) VALUES (?, ?, ?, ?)",
                (self._clock(), action, subject, outcome),
            )

    def prune(self) -> int:
        """Remove tasks that are older than their retention, then the oldest ones while the file is
        too large. Returns how many were removed."""
        now, kept = self._clock(), self._retention
        failures = ",".join(f"'{state}'" for state in _FAILURES)
        is_failure = f"series IN (SELECT id FROM series WHERE state IN ({failures}))"
        removed = self._remove(f"NOT {is_failure} AND seen_at < ?", now - kept.tasks_s)
        removed += self._remove("seen_at < ?", now - max(kept.failures_s, kept.tasks_s))
        for rule in (f"NOT {is_failure}", "TRUE"):
            while history_schema.size_bytes(self._connection) > kept.size_bytes:
                (count,) = self._connection.execute("SELECT count(*) FROM task").fetchone()
                some = max(1, int(count * SPARED_PART))
                gone = self._remove(rule, limit=some)
                removed += gone
                if not gone:
                    break
        with self._transaction():
            oldest = int((now - FLOW_KEPT_S) // MINUTE_S)
            self._connection.execute("DELETE FROM flow WHERE minute < ?", (oldest,))
            self._connection.execute("DELETE FROM series WHERE count = 0")
            since = now - max(kept.failures_s, kept.tasks_s)
            self._connection.execute("DELETE FROM action WHERE at < ?", (since,))
            self._series.clear()
        return removed

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._series.clear()
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _count(
        self, flow: Flow, event: TaskEvent, record: TaskRecord, *, is_new: bool, has_moved: bool
    ) -> None:
        series = record.series
        minute = int(min(event.at_s, self._clock()) // MINUTE_S)
        if is_new:
            flow[minute, "in", series.queue, series.name, "", ""] += 1
        if not has_moved:
            return
        if series.state in task_record.ENDS:
            flow[minute, "out", series.queue, series.name, "", ""] += 1
        if event.kind is TaskEventKind.FAILED:
            flow[minute, "failed", series.queue, series.name, series.exception, series.place] += 1

    def _save(self, records: Collection[TaskRecord]) -> None:
        changes: Counter[int] = Counter()
        for record in sorted(records, key=lambda one: one.seen_at):
            series = self._series_id(record)
            values = (record.uuid, series, *_times(record))
            if record.id is None:
                cursor = self._connection.execute(
                    f"INSERT INTO task ({_TASK}) VALUES (NULL{', ?' * (len(values))})", values
                )
                record.id = cursor.lastrowid
                changes[series] += 1
            else:
                self._connection.execute(
                    f"UPDATE task SET {_assignments(_TASK)} WHERE id = ?", (*values, record.id)
                )
                if record.stored_series is not None and record.stored_series != series:
                    changes[record.stored_series] -= 1
                    changes[series] += 1
            self._write_detail(record)
            self._connection.execute(
                "UPDATE series SET first_at = min(first_at, ?1), last_at = max(last_at, ?1), "
                "newest = max(newest, ?2) WHERE id = ?3",
                (record.state_at or record.seen_at, record.id, series),
            )
        self._connection.executemany(
            "UPDATE series SET count = count + ? WHERE id = ?",
            [(change, series) for series, change in changes.items() if change],
        )

    def _write_detail(self, record: TaskRecord) -> None:
        texts = (
            *(record.args, record.kwargs, record.eta, record.root, record.parent),
            *(record.result, record.error, record.traceback, task_record.shown_log(record.log)),
        )
        has_new_words = record.stored_words != (record.args, record.kwargs)
        if has_new_words and record.stored_words is not None:
            self._forget_words([record.id])
        self._connection.execute(
            f"INSERT OR REPLACE INTO detail ({_DETAIL}) VALUES (?{', ?' * len(texts)})",
            (record.id, *texts),
        )
        if has_new_words:
            self._connection.execute(
                "INSERT INTO words (rowid, args, kwargs) VALUES (?, ?, ?)",
                (record.id, record.args, record.kwargs),
            )

    def _forget_words(self, ids: Sequence[int | None]) -> None:
        """The index of words removes a row by the texts that it holds."""
        marks = ",".join("?" * len(ids))
        self._connection.execute(
            "INSERT INTO words (words, rowid, args, kwargs) "
            f"SELECT 'delete', id, args, kwargs FROM detail WHERE id IN ({marks})",
            ids,
        )

    def _series_id(self, record: TaskRecord) -> int:
        found = self._series.get(record.series)
        if found is None:
            at = record.state_at or record.seen_at
            found = self._find_series(record.series, at=at)
        return found

    def _find_series(self, series: Series, *, at: float) -> int:
        (found,) = self._connection.execute(
            f"INSERT INTO series ({_SERIES}, first_at, last_at, newest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET count = count "
            "RETURNING id",
            (*astuple(series), at, at),
        ).fetchone()
        self._series[series] = int(found)
        return int(found)

    def _move_all(self, worker: str, old: TaskState, new: TaskState) -> int:
        rows = self._connection.execute(
            f"SELECT id, {_SERIES}, count, newest FROM series "
            "WHERE worker = ? AND state = ? AND count > 0",
            (worker, old),
        ).fetchall()
        for number, *names, count, newest in rows:
            series = replace(Series(*_texts(names)), state=new)
            target = self._find_series(series, at=self._clock())
            self._connection.execute(
                "UPDATE task SET series = ? WHERE series = ?", (target, number)
            )
            self._connection.execute(
                "UPDATE series SET count = count + ?, last_at = ?, newest = max(newest, ?) "
                "WHERE id = ?",
                (count, self._clock(), newest, target),
            )
            self._connection.execute("UPDATE series SET count = 0 WHERE id = ?", (number,))
        return sum(int(row[-2]) for row in rows)

    def _remove(self, rule: str, *values: float, limit: int | None = None) -> int:
        """Remove the oldest tasks that a rule holds for, in short transactions."""
        removed = 0
        while limit is None or removed < limit:
            some = ROWS_AT_ONCE if limit is None else min(ROWS_AT_ONCE, limit - removed)
            with self._transaction():
                rows = self._connection.execute(
                    f"SELECT id, series FROM task WHERE {rule} ORDER BY id LIMIT ?",
                    (*values, some),
                ).fetchall()
                self._delete(rows)
            removed += len(rows)
            if len(rows) < some:
                break
        return removed

    def _delete(self, rows: Sequence[tuple[int, int]]) -> None:
        for part in _batches(rows, VARIABLES):
            ids = [number for number, _ in part]
            marks = ",".join("?" * len(ids))
            self._forget_words(ids)
            self._connection.execute(f"DELETE FROM detail WHERE id IN ({marks})", ids)
            self._connection.execute(f"DELETE FROM task WHERE id IN ({marks})", ids)
        gone = Counter(series for _, series in rows)
        self._connection.executemany(
            "UPDATE series SET count = count - ? WHERE id = ?",
            [(count, series) for series, count in gone.items()],
        )

    def _add_flow(self, flow: Flow) -> None:
        self._connection.executemany(
            "INSERT INTO flow (minute, kind, queue, name, exception, place, count) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*key, count) for key, count in flow.items()],
        )


def load(connection: sqlite3.Connection, uuids: Iterable[str]) -> dict[str, TaskRecord]:
    """The stored tasks of these ids, by id."""
    found: dict[str, TaskRecord] = {}
    for some in _batches(uuids, VARIABLES):
        marks = ",".join("?" * len(some))
        rows = connection.execute(
            f"SELECT {_prefixed('task', _TASK)}, {_prefixed('detail', _DETAIL)}, "
            f"{_prefixed('series', _SERIES)} FROM task JOIN detail ON detail.id = task.id "
            f"JOIN series ON series.id = task.series WHERE task.uuid IN ({marks})",
            some,
        )
        found |= {record.uuid: record for record in map(_record, rows)}
    return found


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    found = iter(items)
    while part := list(islice(found, size)):
        yield part


def _prefixed(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column.strip()}" for column in columns.split(","))


def _assignments(columns: str) -> str:
    return ", ".join(f"{column.strip()} = ?" for column in columns.split(",")[1:])


def _times(record: TaskRecord) -> tuple[Any, ...]:
    return (
        *(record.seen_at, record.state_at),
        *(record.sent_at, record.received_at, record.started_at, record.ended_at),
        *(record.runtime_s, record.retries),
    )


def _texts(names: Sequence[str]) -> tuple[str, str, str, str, str, TaskState]:
    name, queue, worker, exception, place, state = names
    return name, queue, worker, exception, place, TaskState(state)


def _record(row: Sequence[Any]) -> TaskRecord:
    values = tuple(row)
    task, detail, series = values[:11], values[11:21], values[21:27]
    return TaskRecord(
        id=task[0],
        uuid=task[1],
        stored_series=task[2],
        stored_words=(detail[1], detail[2]),
        seen_at=task[3],
        state_at=task[4],
        sent_at=task[5],
        received_at=task[6],
        started_at=task[7],
        ended_at=task[8],
        runtime_s=task[9],
        retries=task[10],
        args=detail[1],
        kwargs=detail[2],
        eta=detail[3],
        root=detail[4],
        parent=detail[5],
        result=detail[6],
        error=detail[7],
        traceback=detail[8],
        log=task_record.log_of(detail[9]),
        series=Series(*_texts(series)),
    )
