"""Applies the table of transitions to rows of the database."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from app.jobs.model import transitions
from app.jobs.model.changes import Change
from app.jobs.model.job import FINAL_STATES, Job, JobError, JobId, JobState, RunOutcome
from app.jobs.model.ticket import Claimant
from app.jobs.model.transitions import Lease, Transition, Write
from app.jobs.store import callbacks, rows
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs
_runs = schema.runs

Values = dict[str, Any]  # columns of several types

_NOW = bindparam("now", type_=_jobs.c.started_at.type)
_TO_CANCEL = text("cancel_requested")  # as in the partial index: SQLite wants the same words
_BEGIN_RUN = insert(_runs)
_END_RUN = update(_runs).where(
    _runs.c.job_id == bindparam("own_id"), _runs.c.fence == bindparam("own_fence")
)


class StateMachine:
    """Changes of jobs, one transaction each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def apply(self, change: Change, *, clock: Callable[[], datetime]) -> Job | None:
        """Make the change when the row is as its transition demands; None when it is not. The job
        comes back without its artifacts.

        The clock is read when the transaction has begun: it may have waited for other writers as
        long as a lease.
        """
        with self._database.write() as connection:
            return _apply(connection, change, now=clock())

    def cancel_with_parents(
        self,
        *,
        parent_id: JobId | None = None,
        finalized_kinds: Collection[str],
        now: datetime,
        limit: int,
    ) -> list[Job]:
        """Cancel queued jobs whose parent was cancelled; with a parent, only its children.

        Their own children are flagged in turn. Finalizers are due for those that had begun; the
        reconciler publishes them.
        """
        wanted = and_(_TO_CANCEL, _jobs.c.state == JobState.QUEUED.value)
        if parent_id is not None:
            wanted = and_(wanted, _jobs.c.parent_id == parent_id)
        found = select(_jobs.c.id).where(wanted).limit(limit)
        with self._database.read() as connection:  # writers do not wait for nothing
            if connection.execute(found.limit(1)).one_or_none() is None:
                return []
        row = _ROWS[transitions.CANCEL_WITH_PARENT]
        has_begun = and_(_jobs.c.pipeline.in_(sorted(finalized_kinds)), _jobs.c.fence > 0)
        statement = (
            update(_jobs)
            .where(*_guards(row.transition))
            .where(_jobs.c.id.in_(found.with_for_update(skip_locked=True)))
            .values(finalizer_due=has_begun, **row.values({"published_at": None}, now=now))
            .returning(_jobs)
        )
        with self._database.write() as connection:
            cancelled = [rows.parse_job(one) for one in connection.execute(statement)]
            _record_ends(connection, row.transition, cancelled)
        return cancelled


def _apply(connection: Connection, change: Change, *, now: datetime) -> Job | None:
    """The one place where a job changes its state."""
    row = _ROWS[change.transition]
    lease_s = change.claimant.lease_s if change.claimant is not None else 0.0
    values = row.guard(change, now=now) | row.values(change.given, now=now, lease_s=lease_s)
    found = connection.execute(row.statement, values).one_or_none()
    if found is None:
        return None
    if change.claimant is not None:
        _begin_run(connection, change, change.claimant, found, now=now)
    if change.transition.outcome is not None:
        _end_run(connection, change, change.transition.outcome, now=now)
    job = rows.parse_job(found)
    _record_ends(connection, change.transition, [job])
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A transition with its statement, which is built once: that costs more than to run it."""

    transition: Transition
    statement: ReturningUpdate[Any]  # it gives whole rows back
    constants: Values
    given: tuple[str, ...]
    moments: tuple[str, ...]
    leases: tuple[str, ...]
    needs_now: bool

    def guard(self, change: Change, *, now: datetime) -> Values:
        found: Values = {"own_id": change.job_id}
        if self.transition.checks_fence:
            found["own_fence"] = change.fence
        if self.transition.checks_stage:
            found["own_stage"] = change.stage
        if self.needs_now:
            found["now"] = now
        return found

    def values(self, given: Mapping[str, object], *, now: datetime, lease_s: float = 0.0) -> Values:
        """The columns that are set to values; the statement itself computes the others."""
        found = dict(self.constants)
        for column in self.given:
            if column in given:
                found[column] = now if given[column] is Write.NOW else _plain(given[column])
        for column in self.moments:
            found[column] = now
        for column in self.leases:
            found[column] = now + timedelta(seconds=lease_s)
        return found


def _row(transition: Transition) -> _Row:
    writes = transition.writes
    constants = {column: what for column, what in writes.items() if not isinstance(what, Write)}
    if transition.target is not None:
        constants["state"] = transition.target.value
    statement = update(_jobs).where(_jobs.c.id == bindparam("own_id"), *_guards(transition))
    computed = _computed(transition)
    return _Row(
        transition=transition,
        statement=(statement.values(**computed) if computed else statement).returning(_jobs),
        constants=constants,
        given=_columns(transition, Write.GIVEN),
        moments=_columns(transition, Write.NOW),
        leases=_columns(transition, Write.LEASE_END),
        needs_now=transition.lease is not None or Write.FIRST_NOW in writes.values(),
    )


def _columns(transition: Transition, wanted: Write) -> tuple[str, ...]:
    return tuple(column for column, what in transition.writes.items() if what is wanted)


def _computed(transition: Transition) -> Values:
    """The columns whose values the database computes."""
    found: Values = {}
    for name, what in transition.writes.items():
        column = _jobs.c[name]
        match what:
            case Write.ONE_MORE:
                found[name] = column + 1
            case Write.ONE_LESS:
                found[name] = column - 1
            case Write.FIRST_NOW:
                found[name] = func.coalesce(column, _NOW)
    return found


def _guards(transition: Transition) -> Iterator[ColumnElement[bool]]:
    if len(transition.source) == 1:
        yield _jobs.c.state == next(iter(transition.source)).value
    else:
        yield _jobs.c.state.in_(sorted(state.value for state in transition.source))
    if transition.checks_fence:
        yield _jobs.c.fence == bindparam("own_fence")
    if transition.checks_stage:
        yield _jobs.c.stage == bindparam("own_stage")
    match transition.lease:
        case Lease.EXPIRED:
            yield _jobs.c.lease_until < _NOW
        case Lease.FREE:
            yield or_(_jobs.c.lease_until.is_(None), _jobs.c.lease_until < _NOW)
    flags = (
        (transition.is_cancel_requested, _jobs.c.cancel_requested),
        (transition.is_finalizer_due, _jobs.c.finalizer_due),
        (transition.is_finalized, _jobs.c.finalized_at.is_not(None)),
    )
    yield from (column if is_so else ~column for is_so, column in flags if is_so is not None)


def _plain(value: object) -> object:
    return rows.dump_error(value) if isinstance(value, JobError) else value


_ROWS = {transition: _row(transition) for transition in transitions.TABLE}


def _begin_run(
    connection: Connection, change: Change, claimant: Claimant, row: rows.AnyRow, *, now: datetime
) -> None:
    connection.execute(
        _BEGIN_RUN,
        {
            "job_id": change.job_id,
            "fence": row.fence,
            "stage": change.stage,
            "attempt": row._mapping[change.transition.begins_run or "attempt"],
            "worker": claimant.worker,
            "pid": claimant.pid,
            "published_at": row.published_at,
            "started_at": now,
        },
    )


def _end_run(connection: Connection, change: Change, outcome: RunOutcome, *, now: datetime) -> None:
    connection.execute(
        _END_RUN,
        {
            "own_id": change.job_id,
            "own_fence": change.fence,
            "ended_at": now,
            "outcome": outcome.value,
            "error": rows.dump_error(change.error),
        },
    )


def _record_ends(connection: Connection, transition: Transition, jobs: Sequence[Job]) -> None:
    """What the end of jobs brings in the same transaction: callbacks, and the cancel of children,
    which their workers see; `cancel_with_parents` cancels those that are queued."""
    if transition.target in FINAL_STATES:
        for job in jobs:
            callbacks.record(connection, job)
    if transition.flags_children and jobs:
        connection.execute(
            update(_jobs)
            .where(
                _jobs.c.parent_id.in_([job.id for job in jobs]),
                _jobs.c.state.in_((JobState.QUEUED.value, JobState.RUNNING.value)),
            )
            .values(cancel_requested=True)
        )
