"""Reads the history: pages of tasks, counts by state, groups of failures, flow of queues.

Blocking: call it in a thread. Each thread has a connection of its own.
"""

import json
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.foreign import history_schema, history_writer, task_search
from app.foreign.history_rows import ActionLine, Rates, TaskFailures, TaskPage, TaskRow
from app.foreign.history_writer import MINUTE_S
from app.foreign.task_record import TaskRecord
from app.foreign.task_search import TaskSearch

SCAN_PART = 500
"""A filter that fewer than one in so many tasks pass is answered by the index of series, others by
a scan from the newest task on."""
MATCHES = 5_000
"""Matches by words that are counted."""
PART = 500
"""Tasks that are read at once where many are wanted."""
RELATED = 200
"""Tasks of one chain, group or chord that are shown."""

_PAGE = (
    "task.id, task.uuid, series.name, series.queue, series.worker, series.state, "
    "series.exception, task.seen_at, task.sent_at, task.received_at, task.started_at, "
    "task.ended_at, task.runtime_s, task.retries"
)


@dataclass(frozen=True, slots=True)
class _Matches:
    """Ids and states of the newest tasks that match, newest first."""

    states: list[tuple[int, str]]
    next_cursor: int | None
    """Where to look for further ones."""


class HistoryReader:
    """Reads one history."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._local = threading.local()

    def page(self, search: TaskSearch, *, before: int | None, limit: int) -> TaskPage:
        """The tasks that match, from a cursor on."""
        with self._reading() as connection:
            if search.argument or search.root:
                return self._matching(connection, search, before, limit)
            rows, counts = self._of_series(connection, search, before, limit)
            return TaskPage(
                tasks=tuple(self._with_texts(connection, rows[:limit])),
                next_cursor=rows[limit - 1]["id"] if len(rows) > limit else None,
                counts=counts,
                is_counted=True,
            )

    def counts(self) -> dict[str, int]:
        """Tasks by state."""
        with self._reading() as connection:
            rows = connection.execute("SELECT state, sum(count) FROM series GROUP BY state")
            return {state: count for state, count in rows if count}

    def actions(self, *, limit: int) -> list[ActionLine]:
        """What was done through the console, the latest first."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT at, action, subject, outcome FROM action ORDER BY id DESC LIMIT ?", (limit,)
            )
            return [ActionLine(*row) for row in rows]

    def workers_of(self, queue: str) -> frozenset[str]:
        """Workers that have run tasks of a queue."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT worker FROM series WHERE queue = ? AND worker <> ''", (queue,)
            )
            return frozenset(worker for (worker,) in rows)

    def repeatable(self, search: TaskSearch, *, limit: int) -> list[TaskRow]:
        """The tasks that match, newest first, with their arguments as they are kept."""
        found: list[TaskRow] = []
        before: int | None = None
        while len(found) < limit:
            page = self.page(search, before=before, limit=min(PART, limit - len(found)))
            found += page.tasks
            before = page.next_cursor
            if before is None:
                break
        return found

    def busy_workers(self) -> frozenset[str]:
        """Workers of tasks that run or are fetched."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT worker FROM series "
                "WHERE state IN ('running', 'received') AND count > 0"
            )
            return frozenset(worker for (worker,) in rows)

    def task(self, uuid: str) -> TaskRecord | None:
        """Everything that is known of a task."""
        with self._reading() as connection:
            return history_writer.load(connection, [uuid]).get(uuid)

    def related(self, root: str) -> list[TaskRecord]:
        """The tasks of a chain, group or chord, in the order in which they were seen."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT task.uuid FROM detail JOIN task ON task.id = detail.id "
                "WHERE detail.root = ? ORDER BY detail.id LIMIT ?",
                (root, RELATED),
            )
            uuids = [uuid for (uuid,) in rows]
            found = history_writer.load(connection, uuids)
            return [found[uuid] for uuid in uuids if uuid in found]

    def failures(self) -> tuple[TaskFailures, ...]:
        """Groups of failed tasks, those of the last hour first."""
        since = int((self._clock() - 3600) // MINUTE_S)
        with self._reading() as connection:
            trends: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 12)
            for name, exception, place, minute, count in connection.execute(
                "SELECT name, exception, place, minute, sum(count) FROM flow "
                "WHERE kind = 'failed' AND minute > ? GROUP BY name, exception, place, minute",
                (since,),
            ):
                trends[name, exception, place][min((minute - since - 1) // 5, 11)] += count
            groups = connection.execute(
                "SELECT name, exception, place, sum(count) AS count, min(first_at) AS first_at, "
                "max(last_at) AS last_at, max(newest) AS newest FROM series "
                "WHERE state = 'failed' AND count > 0 GROUP BY name, exception, place"
            ).fetchall()
            found = [self._group(connection, row, trends) for row in groups]
        return tuple(sorted(found, key=lambda one: (-one.recent, -one.count, one.name)))

    def rates(self) -> dict[str, Rates]:
        """The flow by queue since the beginning of the minute before this one."""
        now = self._clock()
        since = int(now // MINUTE_S) - 1
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT queue, kind, sum(count) FROM flow WHERE minute >= ? GROUP BY queue, kind",
                (since,),
            )
            counts: dict[str, Counter[str]] = defaultdict(Counter)
            for queue, kind, count in rows:
                counts[queue][kind] += count
        span_s = now - since * MINUTE_S
        return {
            queue: Rates(arrivals=kinds["in"] / span_s, ends=kinds["out"] / span_s)
            for queue, kinds in counts.items()
        }

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = history_schema.open_reader(self._path)
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def _of_series(
        self, connection: sqlite3.Connection, search: TaskSearch, before: int | None, limit: int
    ) -> tuple[list[sqlite3.Row], dict[str, int]]:
        rule, values = task_search.series_rule(search)
        matching = connection.execute(
            "SELECT state, sum(count) AS count, max(newest) AS newest FROM series "
            f"WHERE count > 0 AND {rule} GROUP BY state",
            values,
        ).fetchall()
        counts = {row["state"]: row["count"] for row in matching}
        chosen = [row for row in matching if search.state in (None, row["state"])]
        if not chosen:
            return [], counts
        (total,) = connection.execute("SELECT sum(count) FROM series").fetchone()
        newest = max(row["newest"] for row in chosen)
        start = newest + 1 if before is None else min(before, newest + 1)
        is_scanned = sum(row["count"] for row in chosen) * SCAN_PART >= total
        # Unary plus keeps SQLite from the index of series.
        series = "+task.series" if is_scanned else "task.series"
        state = "" if search.state is None else " AND state = ?"
        rows = connection.execute(
            f"SELECT {_PAGE} FROM task JOIN series ON series.id = task.series "
            f"WHERE task.id < ? AND {series} IN (SELECT id FROM series WHERE {rule}{state}) "
            "ORDER BY task.id DESC LIMIT ?",
            (start, *values, *([] if search.state is None else [search.state]), limit + 1),
        ).fetchall()
        return rows, counts

    def _matching(
        self, connection: sqlite3.Connection, search: TaskSearch, before: int | None, limit: int
    ) -> TaskPage:
        """A page by texts. At most `MATCHES` are looked at; the next page goes on behind them."""
        newest = self._matches(connection, search, None)
        found = newest if before is None else self._matches(connection, search, before)
        chosen = [number for number, state in found.states if search.state in (None, state)]
        marks = ",".join("?" * len(chosen[:limit]))
        rows = connection.execute(
            f"SELECT {_PAGE} FROM task JOIN series ON series.id = task.series "
            f"WHERE task.id IN ({marks}) ORDER BY task.id DESC",
            chosen[:limit],
        ).fetchall()
        return TaskPage(
            tasks=tuple(self._with_texts(connection, rows)),
            next_cursor=chosen[limit - 1] if len(chosen) > limit else found.next_cursor,
            counts=Counter(state for _, state in newest.states),
            is_counted=newest.next_cursor is None,
        )

    def _matches(
        self, connection: sqlite3.Connection, search: TaskSearch, before: int | None
    ) -> _Matches:
        source, texts = task_search.text_source(search, before=before)
        hits = [number for (number,) in connection.execute(f"{source} LIMIT {MATCHES + 1}", texts)]
        rule, values = task_search.series_rule(search)
        states = connection.execute(
            "SELECT task.id, series.state FROM json_each(?) AS hit "
            "JOIN task ON task.id = hit.value JOIN series ON series.id = task.series "
            f"WHERE {rule} ORDER BY task.id DESC",
            (json.dumps(hits[:MATCHES]), *values),
        ).fetchall()
        return _Matches(
            states=[(number, state) for number, state in states],
            next_cursor=hits[MATCHES - 1] if len(hits) > MATCHES else None,
        )

    def _with_texts(
        self, connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]
    ) -> Iterator[TaskRow]:
        marks = ",".join("?" * len(rows))
        texts = {
            row["id"]: row
            for row in connection.execute(
                f"SELECT id, error, args, kwargs FROM detail WHERE id IN ({marks})",
                [row["id"] for row in rows],
            )
        }
        for row in rows:
            found = texts[row["id"]]
            yield TaskRow(
                **dict(row), error=found["error"], args=found["args"], kwargs=found["kwargs"]
            )

    def _group(
        self,
        connection: sqlite3.Connection,
        row: sqlite3.Row,
        trends: Mapping[tuple[str, str, str], Sequence[int]],
    ) -> TaskFailures:
        trend = trends.get((row["name"], row["exception"], row["place"]), [0] * 12)
        example = connection.execute(
            "SELECT task.uuid, detail.error FROM task JOIN detail ON detail.id = task.id "
            "WHERE task.id = ?",
            (row["newest"],),
        ).fetchone()
        return TaskFailures(
            name=row["name"],
            exception=row["exception"],
            place=row["place"],
            count=row["count"],
            recent=sum(trend),
            first_at=row["first_at"],
            last_at=row["last_at"],
            example="" if example is None else example["uuid"],
            example_error="" if example is None else example["error"],
            trend=tuple(trend),
        )
