"""Jobs that need the reconciler: expired leases, jobs to publish, lost messages.

Jobs that are to be published are marked as published by the query that finds them, so that of any
number of reconcilers one publishes each.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, text, tuple_, update

from app.jobs.model import ticket
from app.jobs.model.job import Job, JobId, JobState
from app.jobs.store import rows
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs

# As in the partial indexes, word for word: SQLite uses one only for the same condition.
_QUEUED = text("state = 'queued'")
_LEASED = text("lease_until IS NOT NULL")
_TO_FINALIZE = text("finalizer_due")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedAt:
    """A queued job and when it was handed to the broker."""

    at: datetime
    job_id: JobId
    fence: int


class DueJobStore:
    """Jobs that need the reconciler."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expired(self, *, now: datetime, limit: int) -> list[Job]:
        """Running jobs whose lease has expired, the longest first."""
        query = (
            select(_jobs)
            .where(
                *(_LEASED, _jobs.c.lease_until < now, ~_jobs.c.finalizer_due),
                _jobs.c.state == JobState.RUNNING.value,
            )
            .order_by(_jobs.c.lease_until)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [rows.parse_job(row) for row in connection.execute(query)]

    def take_due(self, kinds: Collection[str], *, now: datetime, limit: int) -> list[Job]:
        """Queued jobs that are due and not published yet, marked as published. The caller publishes
        them."""
        due = (
            select(_jobs.c.id)
            .where(
                _QUEUED,
                _jobs.c.published_at.is_(None),
                or_(_jobs.c.not_before.is_(None), _jobs.c.not_before <= now),
                or_(~_jobs.c.waits_for_children, ~_has_unfinished_children()),
                _is_one_of(kinds),
            )
            .order_by(_jobs.c.priority, _jobs.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:  # writers do not wait for us in vain
            if connection.execute(due.limit(1)).one_or_none() is None:
                return []
        return self._mark_published(_jobs.c.id.in_(due.with_for_update(skip_locked=True)), now=now)

    def published_before(
        self, moment: datetime, *, after: PublishedAt | None, limit: int
    ) -> list[PublishedAt]:
        """Jobs that have been queued since then or longer, in the order of that; `after` goes on
        where the last answer ended."""
        at = (_jobs.c.published_at, _jobs.c.id)
        query = select(*at, _jobs.c.fence).where(_QUEUED, _jobs.c.published_at < moment)
        if after is not None:
            query = query.where(tuple_(*at) > tuple_(after.at, after.job_id))
        with self._database.read() as connection:
            return [
                PublishedAt(at=row.published_at, job_id=row.id, fence=row.fence)
                for row in connection.execute(query.order_by(*at).limit(limit))
            ]

    def take_lost(self, lost: Sequence[PublishedAt], *, now: datetime) -> list[Job]:
        """Those of them that still stand as they were read, marked as published anew. The caller
        publishes them."""
        as_read = [(one.job_id, one.fence, one.at) for one in lost]
        still = tuple_(_jobs.c.id, _jobs.c.fence, _jobs.c.published_at).in_(as_read)
        return self._mark_published(still, now=now)

    def take_finalizers(
        self, kinds: Collection[str], *, published_before: datetime, now: datetime, limit: int
    ) -> list[tuple[Job, int]]:
        """Ended jobs whose finalizer has not run, marked as published, each with how often it has
        begun. The caller publishes them."""
        due = (
            select(_jobs.c.id)
            .where(
                _TO_FINALIZE,
                or_(_jobs.c.published_at.is_(None), _jobs.c.published_at < published_before),
                or_(_jobs.c.lease_until.is_(None), _jobs.c.lease_until < now),
                _is_one_of(kinds),
            )
            .limit(limit)
        )
        with self._database.read() as connection:
            if connection.execute(due.limit(1)).one_or_none() is None:
                return []
        statement = (
            update(_jobs)
            .where(_jobs.c.id.in_(due.with_for_update(skip_locked=True)))
            .values(published_at=now)
            .returning(_jobs)
        )
        with self._database.write() as connection:
            taken = connection.execute(statement).all()
        return [(rows.parse_job(row), row.finalizer_runs) for row in taken]

    def standing(self, task_ids: Collection[str]) -> set[str]:
        """Those of these messages whose job waits for them, or runs by them."""
        job_ids = {one.rpartition(".")[0] for one in task_ids}
        query = select(_jobs.c.id, _jobs.c.fence, _jobs.c.state).where(
            _jobs.c.id.in_(job_ids),
            _jobs.c.state.in_((JobState.QUEUED.value, JobState.RUNNING.value)),
        )
        with self._database.read() as connection:
            found = {
                ticket.task_id(row.id, row.fence - (row.state == JobState.RUNNING.value))
                for row in connection.execute(query)
            }
        return found & set(task_ids)

    def unpublish(self, jobs: Sequence[Job]) -> None:
        """Note that the broker did not take these: the reconciler publishes them. One that a
        worker has all the same stays as it is."""
        as_read = [(job.id, job.fence) for job in jobs]
        with self._database.write() as connection:
            connection.execute(
                update(_jobs)
                .where(
                    tuple_(_jobs.c.id, _jobs.c.fence).in_(as_read), _jobs.c.lease_until.is_(None)
                )
                .values(published_at=None)
            )

    def _mark_published(self, where: ColumnElement[bool], *, now: datetime) -> list[Job]:
        statement = (
            update(_jobs)
            .where(where, _jobs.c.state == JobState.QUEUED.value)
            .values(published_at=now)
            .returning(_jobs)
        )
        with self._database.write() as connection:
            taken = [rows.parse_job(row) for row in connection.execute(statement)]
        return sorted(taken, key=lambda job: (job.priority, job.id))


def _has_unfinished_children() -> ColumnElement[bool]:
    child = _jobs.alias("child")
    unfinished = (JobState.QUEUED.value, JobState.RUNNING.value)
    return (
        select(child.c.id)
        .where(child.c.parent_id == _jobs.c.id, child.c.state.in_(unfinished))
        .correlate(_jobs)
        .exists()
    )


def _is_one_of(kinds: Collection[str]) -> ColumnElement[bool]:
    """Nearly every job is of these kinds: an index on them would be the wrong one to use, and is
    ruled out by the function."""
    return func.coalesce(_jobs.c.pipeline, "").in_(sorted(kinds))
