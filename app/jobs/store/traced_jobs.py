"""Ended jobs whose spans have not been exported yet."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, text, tuple_, update

from app.jobs.model.job import Job, JobId, Run
from app.jobs.store import rows
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs
_runs = schema.runs

# As in the partial index, word for word: SQLite uses it only for the same condition.
_DUE = text("fence > traced_fence AND finished_at IS NOT NULL AND lease_until IS NULL")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedJob:
    """An ended job with the runs that are not exported yet."""

    job: Job
    runs: tuple[Run, ...]
    """Oldest first."""
    is_first: bool
    """Whether nothing of this job was exported before."""


class TracedJobStore:
    """Reads what is to be exported, and notes what was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, *, limit: int) -> list[TracedJob]:
        """Ended jobs with runs to export, those that ended first."""
        query = select(_jobs).where(_DUE).order_by(_jobs.c.finished_at).limit(limit)
        with self._database.read() as connection:
            found = connection.execute(query).all()
            if not found:
                return []
            of_runs = (
                select(_runs)
                .where(_runs.c.job_id.in_([row.id for row in found]))
                .order_by(_runs.c.job_id, _runs.c.fence)
            )
            runs = defaultdict[JobId, list[Run]](list)
            for row in connection.execute(of_runs):
                runs[row.job_id].append(rows.parse_run(row))
        return [
            TracedJob(
                job=rows.parse_job(row),
                runs=tuple(run for run in runs[row.id] if run.fence > row.traced_fence),
                is_first=row.traced_fence < 0,
            )
            for row in found
        ]

    def note_exported(self, jobs: Collection[Job]) -> None:
        """The spans of all runs of these jobs have been received."""
        as_read = [(job.id, job.fence) for job in jobs]
        statement = (
            update(_jobs)
            .where(tuple_(_jobs.c.id, _jobs.c.fence).in_(as_read))
            .values(traced_fence=_jobs.c.fence)
        )
        with self._database.write() as connection:
            connection.execute(statement)
