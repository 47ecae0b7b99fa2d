"""What a worker keeps while it holds a job: the lease, the progress in the row, its artifacts."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select, tuple_, update

from app.jobs.model.job import Artifact, JobState, Progress
from app.jobs.model.ticket import Hold
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs
_artifacts = schema.artifacts


class LeaseStore:
    """Writes and reads of the worker that has claimed a job; they name the fence of its claim."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def renew(self, held: Iterable[Hold], *, until: datetime) -> set[Hold]:
        """Extend the leases; return those that are still ours."""
        keys = [(hold.job_id, hold.fence) for hold in held]
        statement = (
            update(_jobs)
            .where(tuple_(_jobs.c.id, _jobs.c.fence).in_(keys), _jobs.c.lease_until.is_not(None))
            .values(lease_until=until)
            .returning(_jobs.c.id, _jobs.c.fence)
        )
        with self._database.write() as connection:
            return {Hold(job_id=row.id, fence=row.fence) for row in connection.execute(statement)}

    def cancels(self, held: Sequence[Hold]) -> dict[Hold, bool]:
        """The claims that are still ours, each with whether its cancel is requested."""
        query = select(_jobs.c.id, _jobs.c.fence, _jobs.c.cancel_requested).where(
            _jobs.c.id.in_([hold.job_id for hold in held]), _jobs.c.lease_until.is_not(None)
        )
        with self._database.read() as connection:
            return {
                Hold(job_id=row.id, fence=row.fence): row.cancel_requested
                for row in connection.execute(query)
            }

    def save_progress(self, hold: Hold, progress: Progress) -> None:
        """Keep the progress in the row, where it outlives Redis."""
        values = {
            "progress": progress.progress,
            "message": progress.message,
            "speed": progress.speed,
            "eta_seconds": progress.eta_seconds,
        }
        with self._database.write() as connection:
            connection.execute(update(_jobs).where(*claimed_by(hold)).values(values))

    def save_artifact(
        self, hold: Hold, artifact: Artifact, *, key: str, now: datetime
    ) -> tuple[bool, str | None]:
        """Record an artifact of the job. Returns whether the job is still ours, and the key of the
        object that the name stood for before."""
        same = (_artifacts.c.job_id == hold.job_id, _artifacts.c.name == artifact.name)
        with self._database.write() as connection:
            ours = select(_jobs.c.id).where(*claimed_by(hold)).with_for_update()
            if connection.execute(ours).one_or_none() is None:
                return False, None
            before = connection.execute(select(_artifacts.c.key).where(*same)).scalar_one_or_none()
            values = {
                "media_type": artifact.media_type,
                "size_bytes": artifact.size_bytes,
                "sha256": artifact.sha256,
                "key": key,
                "created_at": now,
            }
            if before is None:
                names = {"job_id": hold.job_id, "name": artifact.name}
                connection.execute(insert(_artifacts).values(**names, **values))
            else:
                connection.execute(update(_artifacts).where(*same).values(**values))
        return True, before if before != key else None


def claimed_by(hold: Hold) -> tuple[ColumnElement[bool], ...]:
    """The row, while this claim is valid."""
    return (
        _jobs.c.id == hold.job_id,
        _jobs.c.fence == hold.fence,
        _jobs.c.state == JobState.RUNNING.value,
    )
