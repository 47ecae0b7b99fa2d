"""The changes of a job's row that workers, clients and the reconciler share."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, insert, update
from sqlalchemy.sql.dml import ReturningUpdate

from app.jobs.model.job import Job, JobError, JobId, JobState, Run, RunOutcome
from app.jobs.store import callbacks, rows
from app.storage import schema

_jobs = schema.jobs
_runs = schema.runs

Statement = ReturningUpdate[Any]  # that gives the whole row back

# Built once, and not for each job: that costs more than to run them. The columns that they set are
# those that the parameters of a call name.
_BEGIN_RUN = insert(_runs)
_END_RUN = update(_runs).where(
    _runs.c.job_id == bindparam("own_id"), _runs.c.fence == bindparam("own_fence")
)

Values = dict[str, Any]  # columns of several types

_NOBODY: Values = {"lease_until": None, "worker": None, "speed": None, "eta_seconds": None}


def queued(*, published_at: datetime | None) -> Values:
    """Waiting for a worker. `published_at` is None when the reconciler is to publish it."""
    return {**_NOBODY, "state": JobState.QUEUED.value, "published_at": published_at}


def queued_in(*, waits_for_children: bool, now: datetime) -> Values:
    """Waiting in another stage. The caller publishes it, unless it waits for children first."""
    at = None if waits_for_children else now
    return {**queued(published_at=at), "waits_for_children": waits_for_children}


def ended(state: JobState, *, has_finalizer: bool, now: datetime) -> Values:
    """Over, except for the pipeline's finalizer where it has one."""
    return {
        **_NOBODY,
        "state": state.value,
        "cancel_requested": False,
        "waits_for_children": False,
        "finished_at": now,
        "finalizer_due": has_finalizer,
        "finalizer_runs": 0,
        "finalized_at": None,
        "published_at": now if has_finalizer else None,
        "not_before": None,
    }


def claimed_by(
    job_id: JobId | BindParameter[str], fence: int | BindParameter[int]
) -> tuple[ColumnElement[bool], ...]:
    """The row, as long as the claim with this fence stands."""
    return (
        _jobs.c.id == job_id,
        _jobs.c.fence == fence,
        _jobs.c.state == JobState.RUNNING.value,
    )


def apply(
    connection: Connection, where: Sequence[ColumnElement[bool]], values: Mapping[str, Any]
) -> Job | None:
    """Change the row if it is as expected; None when it is not.

    A change that ends the job records what its end sets off.
    """
    statement = update(_jobs).where(*where).values(**values).returning(_jobs)
    return _applied(connection, statement, {}, sets_state="state" in values)


def apply_built(
    connection: Connection, statement: Statement, parameters: Mapping[str, Any]
) -> Job | None:
    """The same with a statement that was built before; what it sets is among the parameters."""
    return _applied(connection, statement, parameters, sets_state="state" in parameters)


def _applied(
    connection: Connection,
    statement: Statement,
    parameters: Mapping[str, Any],
    *,
    sets_state: bool,
) -> Job | None:
    row = connection.execute(statement, parameters).one_or_none()
    job = None if row is None else rows.parse_job(row)
    if job is not None and sets_state and job.state.is_final:
        callbacks.record(connection, job)
    return job


def cancel_children(connection: Connection, parent_ids: Sequence[JobId]) -> None:
    """Ask for the cancel of what these jobs have submitted. Workers see it; what is queued is
    cancelled by `ChildStore.cancel_queued`."""
    if parent_ids:
        unfinished = (JobState.QUEUED.value, JobState.RUNNING.value)
        connection.execute(
            update(_jobs)
            .where(_jobs.c.parent_id.in_(parent_ids), _jobs.c.state.in_(unfinished))
            .values(cancel_requested=True)
        )


def begin_run(connection: Connection, run: Run) -> None:
    """Begin the record of a run."""
    connection.execute(
        _BEGIN_RUN,
        {
            "job_id": run.job_id,
            "fence": run.fence,
            "stage": run.stage,
            "attempt": run.attempt,
            "worker": run.worker,
            "pid": run.pid,
            "started_at": run.started_at,
        },
    )


def end_run(
    connection: Connection,
    job_id: JobId,
    fence: int,
    *,
    outcome: RunOutcome,
    error: JobError | None,
    now: datetime,
) -> None:
    """Close the record of the run that was claimed with this fence."""
    connection.execute(
        _END_RUN,
        {
            "own_id": job_id,
            "own_fence": fence,
            "ended_at": now,
            "outcome": outcome.value,
            "error": rows.dump_error(error),
        },
    )
