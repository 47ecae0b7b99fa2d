"""The writes of clients and of the reconciler: cancel, take up again, publish what is due.

Conditional, as in `claims`: each names what it expects of the row, so that any number of processes
may do the same at once and one of them does it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case, or_, text, tuple_, update

from app.jobs import changes
from app.jobs.model import Job, JobId, JobState
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs

# As in the indexes, word for word: SQLite uses a partial index only for the same condition.
_UNPUBLISHED = text("state = 'queued' AND published_at IS NULL")
_PUBLISHED = text("state = 'queued' AND published_at IS NOT NULL")
_LEASED = text("lease_until IS NOT NULL")
_TO_FINALIZE = text("finalizer_due")


class UpkeepStore:
    """Jobs that nobody works on, and those whose worker is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel_queued(self, job_id: JobId, *, has_finalizer: bool, now: datetime) -> Job | None:
        """Cancel a job that no worker has."""
        where = (_jobs.c.id == job_id, _jobs.c.state == JobState.QUEUED.value)
        values = changes.ended(JobState.CANCELLED, has_finalizer=has_finalizer, now=now)
        return self._change(where, values)

    def request_cancel(self, job_id: JobId) -> Job | None:
        """Ask the worker of a running job to stop."""
        where = (_jobs.c.id == job_id, _jobs.c.state == JobState.RUNNING.value)
        return self._change(where, {"cancel_requested": True})

    def take_up_again(self, job: Job, *, first_stage: str, now: datetime) -> Job | None:
        """Queue a job anew that failed or was cancelled; `job` is as it was read. It goes on in
        its present stage, or in the first one when its files were cleaned up.

        None when it is not so any more, and while its finalizer runs. The caller publishes it.
        """
        where = (
            _jobs.c.id == job.id,
            _jobs.c.fence == job.fence,
            _jobs.c.state == job.state.value,
            or_(_jobs.c.lease_until.is_(None), _jobs.c.lease_until < now),
        )
        is_clean = _jobs.c.finalized_at.is_not(None)
        values = {
            **changes.queued(published_at=now),
            "stage": case((is_clean, first_stage), else_=_jobs.c.stage),
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

    def _change(
        self,
        where: Sequence[ColumnElement[bool]],
        values: changes.Values,
    ) -> Job | None:
        with self._database.write() as connection:
            return changes.apply(connection, where, values)
