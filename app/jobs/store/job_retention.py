"""Old jobs and what they own: found, and removed together, unless a job that stays needs them."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
)

from app.jobs.model.job import FINAL_STATES, JobId, JobState
from app.jobs.store import rows
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs
_artifacts = schema.artifacts
_uploads = schema.uploads
_notifications = schema.notifications

_FINAL = sorted(FINAL_STATES)
_LIVE = sorted(set(JobState) - FINAL_STATES)

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

READ_AT_ONCE = 1000

CLOCKS_APART = timedelta(hours=1)
"""More than the clocks of machines differ by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldJob:
    """A job that may be removed."""

    id: JobId
    finished_at: datetime
    artifacts: int
    artifact_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Jobs that were removed, and the objects that were theirs."""

    job_ids: tuple[JobId, ...]
    keys: tuple[str, ...]
    """Of their artifacts in the artifact store: the caller removes them."""


class RetentionStore:
    """Finds and removes old data. Ids sort by creation time, so an old id is a small one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mentioned(self, *, made_before: datetime, stay_from: datetime) -> frozenset[str]:
        """Ids, made before that moment, that jobs which stay have in their parameters or their
        stage's input: jobs and uploads whose files they use, or would use when taken up again."""
        stays = or_(_jobs.c.state.in_(_LIVE), _jobs.c.finished_at >= stay_from)
        with self._database.read() as connection:
            return frozenset(_mentions(connection, stays, below=rows.first_id_at(made_before)))

    def removable(
        self,
        *,
        created_before: datetime,
        after: JobId | None,
        limit: int,
    ) -> list[OldJob]:
        """Jobs that have ended, the oldest first; `after` continues after the last answer. Jobs
        whose finalizer is due, or with an unfinished parent or child, are left out."""
        query = (
            select(
                _jobs.c.id,
                _jobs.c.finished_at,
                _of_artifacts(func.count()).label("artifacts"),
                _of_artifacts(func.sum(_artifacts.c.size_bytes)).label("size"),
            )
            .where(*_is_free(), _jobs.c.id < rows.first_id_at(created_before))
            .order_by(_jobs.c.id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(_jobs.c.id > after)
        with self._database.read() as connection:
            found = connection.execute(query).all()
        return [
            OldJob(
                id=row.id,
                finished_at=row.finished_at,
                artifacts=row.artifacts,
                artifact_bytes=int(row.size or 0),
            )
            for row in found
        ]

    def remove_jobs(self, job_ids: Sequence[JobId], *, seen_at: datetime) -> Gone:
        """Remove these, with runs, labels and artifact rows, as far as they are still free: not
        taken up again, and not named by a job of after `seen_at`."""
        with self._database.write() as connection:
            free = set(job_ids).difference(self._mentioned_since(connection, seen_at))
            keys = connection.execute(
                select(_artifacts.c.job_id, _artifacts.c.key).where(_artifacts.c.job_id.in_(free))
            ).all()
            gone = connection.execute(
                delete(_jobs).where(_jobs.c.id.in_(free), *_is_free()).returning(_jobs.c.id)
            )
            removed = frozenset(gone.scalars())
        return Gone(
            job_ids=tuple(sorted(removed)),
            keys=tuple(key for job_id, key in keys if job_id in removed),
        )

    def artifact_bytes(self) -> int:
        """Of all artifacts together."""
        with self._database.read() as connection:
            total = connection.execute(select(func.sum(_artifacts.c.size_bytes))).scalar()
        return int(total or 0)

    def uploads_before(self, moment: datetime, *, keep: Collection[str]) -> list[tuple[str, int]]:
        """Ids and sizes of uploads from before that moment but for those, the oldest first."""
        query = (
            select(_uploads.c.id, _uploads.c.size_bytes)
            .where(_uploads.c.created_at < moment)
            .order_by(_uploads.c.id)
        )
        with self._database.read() as connection:
            found = connection.execute(query.execution_options(yield_per=READ_AT_ONCE))
            return [(row.id, row.size_bytes) for row in found if row.id not in keep]

    def remove_uploads(self, upload_ids: Sequence[str], *, seen_at: datetime) -> list[str]:
        """Remove the rows of those that no job of after `seen_at` names; return the ids of these.
        The caller removes their objects."""
        with self._database.write() as connection:
            free = set(upload_ids).difference(self._mentioned_since(connection, seen_at))
            gone = connection.execute(
                delete(_uploads).where(_uploads.c.id.in_(free)).returning(_uploads.c.id)
            )
            return sorted(gone.scalars())

    def old_notifications(self, *, before: datetime) -> int:
        """How many there are from before that moment."""
        query = select(func.count()).select_from(_notifications).where(*_is_told(before))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def remove_notifications(self, *, before: datetime, limit: int) -> int:
        """Remove so many of them, with what is known of their delivery; return how many went."""
        chosen = select(_notifications.c.id).where(*_is_told(before)).limit(limit)
        with self._database.write() as connection:
            gone = connection.execute(
                delete(_notifications)
                .where(_notifications.c.id.in_(chosen))
                .returning(_notifications.c.id)
            )
            return len(gone.all())

    def known_keys(self, keys: Sequence[str], *, job_ids: Collection[str]) -> frozenset[str]:
        """Those of the keys that a row knows: of an artifact of these jobs, or of an upload."""
        with self._database.read() as connection:
            artifacts = connection.execute(
                select(_artifacts.c.key).where(_artifacts.c.job_id.in_(job_ids))
            )
            uploads = connection.execute(select(_uploads.c.key).where(_uploads.c.key.in_(keys)))
            return frozenset((*artifacts.scalars(), *uploads.scalars()))

    def needed(self, job_ids: Collection[str]) -> frozenset[str]:
        """The jobs among these that have not ended, or whose finalizer is due."""
        is_needed = or_(
            _jobs.c.state.in_(_LIVE), _jobs.c.finalizer_due, _jobs.c.lease_until.is_not(None)
        )
        with self._database.read() as connection:
            return frozenset(
                connection.execute(
                    select(_jobs.c.id).where(_jobs.c.id.in_(job_ids), is_needed)
                ).scalars()
            )

    def running_since(self) -> datetime | None:
        """When the job that has run for longest began; None when none runs."""
        query = select(func.min(_jobs.c.started_at)).where(_jobs.c.state == JobState.RUNNING.value)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    @staticmethod
    def _mentioned_since(connection: Connection, moment: datetime) -> Iterator[str]:
        since = rows.first_id_at(moment - CLOCKS_APART)
        return _mentions(connection, _jobs.c.id >= since, below=rows.first_id_at(moment))


def _is_free() -> tuple[ColumnElement[bool], ...]:
    parent, child = _jobs.alias(), _jobs.alias()
    return (
        _jobs.c.state.in_(_FINAL),
        ~_jobs.c.finalizer_due,
        _jobs.c.lease_until.is_(None),
        ~exists().where(parent.c.id == _jobs.c.parent_id, parent.c.state.in_(_LIVE)),
        ~exists().where(child.c.parent_id == _jobs.c.id, child.c.state.in_(_LIVE)),
    )


def _is_told(before: datetime) -> tuple[ColumnElement[bool], ...]:
    """Old notifications that no job is still sending."""
    sender = exists().where(_jobs.c.id == _notifications.c.job_id, _jobs.c.state.in_(_LIVE))
    return (_notifications.c.created_at < before, ~sender)


def _of_artifacts(figure: ColumnElement[int]) -> ColumnElement[int]:
    """A figure of the artifacts of each job."""
    return (
        select(figure)
        .select_from(_artifacts)
        .where(_artifacts.c.job_id == _jobs.c.id)
        .correlate(_jobs)
        .scalar_subquery()
    )


def _mentions(connection: Connection, where: ColumnElement[bool], *, below: str) -> Iterator[str]:
    """Everything in parameters, stage inputs and follow-ups that has the form of an id below that
    one. Any parameter may hold one, also inside of a file path."""
    columns = (_jobs.c.params, _jobs.c.stage_input, _jobs.c.on_success, _jobs.c.on_failure)
    query = select(*(cast(column, String) for column in columns)).where(where)
    for texts in connection.execute(query.execution_options(yield_per=READ_AT_ONCE)):
        for text in texts:
            yield from (one for one in _ID.findall(text or "") if one < below)
