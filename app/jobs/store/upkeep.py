"""The writes of clients and of the reconciler: cancel, take up again, publish what is due.

Conditional, as in `claims`: each names what it expects of the row, so that any number of processes
may do the same at once and one of them does it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)

from app.jobs.model.job import Job, JobError, JobId, JobState, RunOutcome
from app.jobs.model.retry import Next, Verdict
from app.jobs.store import changes, rows
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


class UpkeepStore:
    """Jobs that nobody works on, and those whose worker is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel_queued(self, job_id: JobId, *, has_finalizer: bool, now: datetime) -> Job | None:
        """Cancel a job that no worker has."""
        where = (_jobs.c.id == job_id, _jobs.c.state == JobState.QUEUED.value)
        values = changes.ended(JobState.CANCELLED, has_finalizer=has_finalizer, now=now)
        with self._database.write() as connection:
            job = changes.apply(connection, where, values)
            if job is not None:
                changes.cancel_children(connection, [job_id])
        return job

    def request_cancel(self, job_id: JobId) -> Job | None:
        """Ask the worker of a running job to stop."""
        where = (_jobs.c.id == job_id, _jobs.c.state == JobState.RUNNING.value)
        return self._change(where, {"cancel_requested": True})

    def take_up_again(
        self,
        job: Job,
        *,
        stage: str,
        first_stage: str,
        waits_for_children: bool = False,
        now: datetime,
    ) -> Job | None:
        """Queue a job anew that failed or was cancelled; `job` is as it was read. It goes on in
        this stage, or in the first one when its files were cleaned up.

        None when it is not so any more, and while its finalizer runs. The caller publishes it,
        unless it waits for children first.
        """
        where = (
            _jobs.c.id == job.id,
            _jobs.c.fence == job.fence,
            _jobs.c.state == job.state.value,
            or_(_jobs.c.lease_until.is_(None), _jobs.c.lease_until < now),
        )
        is_clean = _jobs.c.finalized_at.is_not(None)
        values = {
            **changes.queued_in(waits_for_children=waits_for_children, now=now),
            "stage": case((is_clean, first_stage), else_=stage),
            "progress": case((is_clean, 0.0), else_=_jobs.c.progress),
            "fence": _jobs.c.fence + 1,
            "attempt": 0,
            "deliveries": 0,
            "cancel_requested": False,
            "not_before": None,
            "finalizer_due": False,
            "finalized_at": None,
            "dead_lettered_at": None,
            "finished_at": None,
        }
        return self._change(where, values)

    def expired(self, *, now: datetime, limit: int) -> list[Job]:
        """Running jobs whose lease is over, those first that have waited longest."""
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

    def expire(
        self, job: Job, verdict: Verdict, *, has_finalizer: bool, now: datetime
    ) -> Job | None:
        """Take the job from the worker that let its lease expire; `job` is as it was read, with
        the progress that its clients have seen."""
        where = (*changes.claimed_by(job.id, job.fence), _jobs.c.lease_until < now)
        match verdict.next:
            case Next.RETRY:
                values = changes.queued(published_at=None)
                values |= {"deliveries": job.deliveries + 1}
                where += (~_jobs.c.cancel_requested,)
            case Next.CANCEL:
                values = changes.ended(JobState.CANCELLED, has_finalizer=has_finalizer, now=now)
            case _:
                values = changes.ended(JobState.FAILED, has_finalizer=has_finalizer, now=now)
                values |= {"dead_lettered_at": now, "deliveries": job.deliveries + 1}
        values |= {"progress": job.progress}
        if verdict.next is not Next.CANCEL:
            values |= {"error": rows.dump_error(verdict.error)}
        with self._database.write() as connection:
            changed = changes.apply(connection, where, values)
            if changed is not None:
                self._end_run(connection, job, RunOutcome.LOST, verdict.error, now)
            if changed is not None and verdict.next is Next.CANCEL:
                changes.cancel_children(connection, [job.id])
        return changed

    def give_back(self, job_id: JobId, fence: int, *, error: JobError, now: datetime) -> Job | None:
        """Queue a job again whose worker ends before the work does. It is nobody's fault: neither
        an attempt nor a delivery is counted. One whose cancel is asked for waits for its lease:
        then it is cancelled."""
        where = (*changes.claimed_by(job_id, fence), ~_jobs.c.cancel_requested)
        values = {**changes.queued(published_at=None), "attempt": _jobs.c.attempt - 1}
        with self._database.write() as connection:
            changed = changes.apply(connection, where, values)
            if changed is not None:
                self._end_run(connection, changed, RunOutcome.LOST, error, now)
        return changed

    def take_due(self, kinds: Collection[str], *, now: datetime, limit: int) -> list[Job]:
        """Queued jobs that nobody has published and whose time has come, marked as published. The
        caller publishes them."""
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

    def give_up_finalizer(self, job: Job) -> None:
        """The finalizer has failed too often: leave what it should have removed."""
        where = (_jobs.c.id == job.id, _jobs.c.fence == job.fence, _jobs.c.finalizer_due)
        self._change(where, {"finalizer_due": False, "lease_until": None, "worker": None})

    def fail_queued(self, job: Job, error: JobError, *, now: datetime) -> Job | None:
        """Fail a job that no worker can take."""
        where = (
            _jobs.c.id == job.id,
            _jobs.c.fence == job.fence,
            _jobs.c.state == JobState.QUEUED.value,
        )
        values = changes.ended(JobState.FAILED, has_finalizer=False, now=now)
        values |= {"error": rows.dump_error(error), "dead_lettered_at": now}
        return self._change(where, values)

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

    @staticmethod
    def _end_run(
        connection: Connection, job: Job, outcome: RunOutcome, error: JobError, now: datetime
    ) -> None:
        changes.end_run(connection, job.id, job.fence, outcome=outcome, error=error, now=now)

    def _change(
        self,
        where: Sequence[ColumnElement[bool]],
        values: changes.Values,
    ) -> Job | None:
        with self._database.write() as connection:
            return changes.apply(connection, where, values)


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
