"""Jobs that other jobs have submitted: counted, waited for, cancelled with their parent."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, text, update

from app.jobs.model.job import FINAL_STATES, Job, JobError, JobId, JobState, JsonObject, Progress
from app.jobs.model.job_document import ChildCounts
from app.jobs.store import rows
from app.storage import ownership, schema
from app.storage.engine import Database

_jobs = schema.jobs

# As in the partial indexes, word for word: SQLite uses one only for the same condition.
_WAITING = text("waits_for_children")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a parent wants to know of a child. Results stay out of it: a parent may have thousands
    of children."""

    id: JobId
    state: JobState
    params: JsonObject
    error: JobError | None


class ChildStore:
    """Children by their parent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self, parent_ids: Collection[JobId]) -> dict[JobId, ChildCounts]:
        """The children of each job that has any."""
        query = (
            select(_jobs.c.parent_id, _jobs.c.state, func.count())
            .where(_jobs.c.parent_id.in_(parent_ids))
            .group_by(_jobs.c.parent_id, _jobs.c.state)
        )
        found: dict[JobId, dict[JobState, int]] = defaultdict(lambda: dict.fromkeys(JobState, 0))
        with self._database.read() as connection:
            for parent_id, state, count in connection.execute(query):
                found[parent_id][JobState(state)] = count
        return dict(found)

    def of_parent(self, parent_id: JobId) -> list[Child]:
        """The children in the order in which they were submitted."""
        return self._children(_jobs.c.parent_id == parent_id)

    def find_many(self, job_ids: Collection[JobId]) -> list[Child]:
        """Those jobs that there are, in the order in which they were submitted."""
        return self._children(_jobs.c.id.in_(job_ids))

    def waiting_parents(self, *, limit: int) -> list[Job]:
        """Queued jobs that wait for their children."""
        query = select(_jobs).where(_WAITING, _jobs.c.published_at.is_(None)).limit(limit)
        with self._database.read() as connection:
            return [rows.parse_job(row) for row in connection.execute(query)]

    def save_progress(self, parent: Job, progress: Progress) -> Job | None:
        """Keep in a waiting parent's row how far its children are; None when it has moved on, or
        another reconciler did so first."""
        statement = (
            update(_jobs)
            .where(
                _jobs.c.id == parent.id,
                _jobs.c.fence == parent.fence,
                _jobs.c.state == JobState.QUEUED.value,
                _jobs.c.message == parent.message,
                _jobs.c.progress <= progress.progress,
            )
            .values(progress=progress.progress, message=progress.message)
            .returning(_jobs)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).one_or_none()
        return rows.parse_job(row) if row is not None else None

    def used_keys(self, keys: Sequence[str]) -> set[str]:
        """Those idempotency keys under which a job was submitted."""
        column = _jobs.c.idempotency_key
        stored = list(map(ownership.current().own_name, keys))
        with self._database.read() as connection:
            found = connection.execute(select(column).where(column.in_(stored)))
            return {ownership.plain_name(row[0]) for row in found}

    def _children(self, where: ColumnElement[bool]) -> list[Child]:
        columns = (_jobs.c.id, _jobs.c.state, _jobs.c.params, _jobs.c.error)
        with self._database.read() as connection:
            found = connection.execute(select(*columns).where(where).order_by(_jobs.c.id))
            return [
                Child(
                    id=JobId(row.id),
                    state=JobState(row.state),
                    params=row.params,
                    error=rows.parse_error(row.error),
                )
                for row in found
            ]


def progress_of(counts: ChildCounts, *, share: tuple[float, float]) -> Progress:
    """How far a parent is by its children. `share` is their part of the parent's progress.

    >>> progress_of({JobState.SUCCEEDED: 2, JobState.FAILED: 1, JobState.QUEUED: 1}, share=(10, 90))
    Progress(progress=70.0, message='3 of 4 done, 1 failed', speed=None, eta_seconds=None)
    """
    total = sum(counts.values())
    done = sum(counts.get(state, 0) for state in FINAL_STATES)
    start, end = share
    names = (JobState.RUNNING, JobState.FAILED, JobState.CANCELLED)
    others = [f"{counts[state]} {state}" for state in names if counts.get(state)]
    return Progress(
        progress=start + (end - start) * (done / total if total else 1.0),
        message=", ".join([f"{done} of {total} done", *others]),
    )
