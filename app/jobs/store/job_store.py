"""Jobs as clients see them: submit, read, list and count, with their runs and artifacts."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select, true

from app.errors import Conflict, NotFound, Superseded
from app.jobs.model.job import Artifact, Job, JobId, JobState, JobSummary, JsonObject, Run
from app.jobs.model.ticket import Hold
from app.jobs.store import acceptance, leases, rows
from app.jobs.store.acceptance import NewJob
from app.storage import audit_log, ownership, schema
from app.storage.engine import Database

_jobs = schema.jobs
_labels = schema.job_labels
_runs = schema.runs
_artifacts = schema.artifacts

_SUMMARY = tuple(_jobs.c[name] for name in JobSummary.__dataclass_fields__)

Columns = TypeVarTuple("Columns")


class IdempotencyConflict(Conflict):
    """The key was used before, for something else."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {key!r} was used for another request")
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list. What is None or empty does not matter."""

    pipeline: str | None = None
    states: frozenset[JobState] = frozenset()
    parent_id: JobId | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of them with these values."""
    created_from: datetime | None = None
    created_before: datetime | None = None
    is_dead_lettered: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Jobs, newest first, and the cursor of the next page."""

    jobs: tuple[JobSummary, ...]
    next_cursor: JobId | None
    """Hand it back as `cursor`; None on the last page."""


class JobStore:
    """Jobs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        new_jobs: Sequence[NewJob],
        *,
        parent: Hold | None = None,
        admit: Callable[[Connection, Sequence[Job]], None] | None = None,
        now: datetime,
    ) -> list[tuple[Job, bool]]:
        """Accept jobs, all or none, in one transaction.

        Each comes back with whether it is new: a request whose idempotency key was used before
        for the same gives the job of then. Raises IdempotencyConflict, Superseded when a parent
        is given whose run does not stand any more, and what `admit` raises, which gets the new
        jobs before they are committed.
        """
        prepared = [acceptance.row_of(new, now=now) for new in new_jobs]
        with self._database.write(is_promise=True) as connection:
            if parent is not None:
                _check_held(connection, parent)
            added = acceptance.insert_jobs(connection, prepared)
            if admit is not None and added:
                admit(connection, list(added.values()))
            kinds = (job.pipeline for job in added.values())
            audit_log.note(connection, list(added), details=kinds)
            return [
                (added[row["id"]], True)
                if row["id"] in added
                else (_first_use(connection, row), False)
                for row in prepared
            ]

    def find(self, job_id: JobId) -> Job | None:
        found = self.find_many([job_id])
        return found[0] if found else None

    def get(self, job_id: JobId) -> Job:
        """Raises NotFound."""
        job = self.find(job_id)
        if job is None:
            raise NotFound(f"no job {job_id!r}")
        return job

    def find_many(self, job_ids: Sequence[JobId]) -> list[Job]:
        """Those that there are, newest first."""
        query = (
            select(_jobs)
            .where(_jobs.c.id.in_(job_ids), ownership.visible(_jobs))
            .order_by(_jobs.c.id.desc())
        )
        with self._database.read() as connection:
            return _with_artifacts(connection, connection.execute(query).all())

    def list(
        self, wanted: JobFilter | None = None, *, cursor: JobId | None = None, limit: int = 50
    ) -> JobPage:
        """A page of jobs, newest first."""
        query, job_id = _filtered(select(*_SUMMARY), wanted if wanted is not None else JobFilter())
        if cursor is not None:
            query = query.where(job_id < cursor)
        query = query.order_by(job_id.desc()).limit(limit + 1)
        with self._database.read() as connection:
            found = [rows.parse_summary(row) for row in connection.execute(query)]
        page = tuple(found[:limit])
        return JobPage(jobs=page, next_cursor=page[-1].id if len(found) > limit else None)

    def counts_by_state(self, wanted: JobFilter | None = None) -> dict[JobState, int]:
        """How many jobs there are in each state; every state has its number."""
        query, _ = _filtered(
            select(_jobs.c.state, func.count()), wanted if wanted is not None else JobFilter()
        )
        with self._database.read() as connection:
            found = connection.execute(query.group_by(_jobs.c.state))
            counted = {row[0]: row[1] for row in found}
        return {state: counted.get(state.value, 0) for state in JobState}

    def runs(self, job_id: JobId) -> tuple[Run, ...]:
        """The job's history, oldest run first."""
        query = (
            select(_runs)
            .where(_runs.c.job_id == job_id, _is_visible(_runs.c.job_id))
            .order_by(_runs.c.fence)
        )
        with self._database.read() as connection:
            return tuple(rows.parse_run(row) for row in connection.execute(query))

    def artifact(self, job_id: JobId, name: str) -> tuple[Artifact, str]:
        """The artifact and its key in the artifact store. Raises NotFound."""
        query = select(_artifacts).where(
            _artifacts.c.job_id == job_id,
            _artifacts.c.name == name,
            _is_visible(_artifacts.c.job_id),
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(f"job {job_id!r} has no artifact {name!r}")
        return rows.parse_artifact(row), row.key


def _is_visible(job_id: ColumnElement[str]) -> ColumnElement[bool]:
    if ownership.current().sees_all:
        return true()
    return job_id.in_(select(_jobs.c.id).where(_jobs.c.id == job_id, ownership.visible(_jobs)))


def _check_held(connection: Connection, parent: Hold) -> None:
    """Refuse children of a run that was superseded or is being cancelled."""
    ours = select(_jobs.c.id).where(*leases.claimed_by(parent), ~_jobs.c.cancel_requested)
    if connection.execute(ours.with_for_update()).one_or_none() is None:
        raise Superseded("the run that submits these jobs has ended, or is to end")


def _first_use(connection: Connection, row: JsonObject) -> Job:
    """The job that has the row's idempotency key, when it asks for the same."""
    found = connection.execute(
        select(_jobs).where(_jobs.c.idempotency_key == row["idempotency_key"])
    ).one()
    if found.fingerprint != row["fingerprint"]:
        raise IdempotencyConflict(ownership.plain_name(row["idempotency_key"]))
    return _with_artifacts(connection, [found])[0]


def _with_artifacts(connection: Connection, found: Sequence[rows.AnyRow]) -> list[Job]:
    by_job: dict[str, list[Artifact]] = defaultdict(list)
    query = (
        select(_artifacts)
        .where(_artifacts.c.job_id.in_([row.id for row in found]))
        .order_by(_artifacts.c.name)
    )
    for row in connection.execute(query):
        by_job[row.job_id].append(rows.parse_artifact(row))
    return [rows.parse_job(row, by_job[row.id]) for row in found]


def _filtered(
    query: Select[*Columns], wanted: JobFilter
) -> tuple[Select[*Columns], ColumnElement[str]]:
    """The query with its conditions, and the column of the job's id to go through in order."""
    query, job_id = _labelled(query, wanted.labels)
    query = query.where(ownership.visible(_jobs))
    conditions = (
        (wanted.pipeline is not None, _jobs.c.pipeline == wanted.pipeline),
        (bool(wanted.states), _jobs.c.state.in_(sorted(wanted.states))),
        (wanted.parent_id is not None, _jobs.c.parent_id == wanted.parent_id),
        (wanted.is_dead_lettered is True, _jobs.c.dead_lettered_at.is_not(None)),
        (wanted.is_dead_lettered is False, _jobs.c.dead_lettered_at.is_(None)),
    )
    query = query.where(*(condition for is_wanted, condition in conditions if is_wanted))
    # Ids sort by time, so a range of time is a range of them.
    if wanted.created_from is not None:
        query = query.where(job_id >= rows.first_id_at(wanted.created_from))
    if wanted.created_before is not None:
        query = query.where(job_id < rows.first_id_at(wanted.created_before))
    return query, job_id


def _labelled(
    query: Select[*Columns], labels: Mapping[str, str]
) -> tuple[Select[*Columns], ColumnElement[str]]:
    """Joined with each label; the first one's index gives the jobs in order, however few or many
    have it."""
    job_id: ColumnElement[str] = _jobs.c.id
    for number, (key, value) in enumerate(labels.items()):
        label = _labels.alias()
        query = query.join(label, label.c.job_id == _jobs.c.id)
        query = query.where(label.c.key == key, label.c.value == value)
        job_id = label.c.job_id if number == 0 else job_id
    return query, job_id
