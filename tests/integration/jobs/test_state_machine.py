"""The table of transitions over real databases, beside the same table in memory.

Hypothesis drives both with any order of changes, from holders of old and new fences alike. After
each step both have the same rows, and the rows keep their promises.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from app.jobs.model import changes, retry, ticket
from app.jobs.model.changes import Change
from app.jobs.model.job import (
    FINAL_STATES,
    FollowUp,
    Job,
    JobError,
    JobId,
    JobRequest,
    JobState,
    Progress,
)
from app.jobs.model.retry import Policy, Verdict
from app.jobs.model.ticket import Claimant, Hold
from app.jobs.store import rows
from app.jobs.store.children import ChildStore
from app.jobs.store.due_jobs import DueJobStore, PublishedAt
from app.jobs.store.job_store import JobStore
from app.jobs.store.leases import LeaseStore
from app.jobs.store.state_machine import StateMachine
from app.storage import schema
from app.storage.engine import Database
from tests.unit.jobs import memory
from tests.unit.jobs.memory import MemoryDueJobs, MemoryJobs, MemoryLeases

START = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
LEASE_S = 30.0
KINDS = ("probe", "callback")
ERROR = JobError(type="RetryableError", message="try again", retryable=True, attempt=1)
POLICY = Policy(base_s=1, max_s=1, max_deliveries=3)

percents = st.floats(0, 100)
indexes = st.integers(0, 1_000)
stale = st.sampled_from([0, 0, 0, 0, -1, 1])
"""How far the fence that is presented is from the row's."""


class JobsOverTime(RuleBasedStateMachine):
    """Clients, workers and reconcilers that act in any order on the jobs of one database."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        with self.database.write() as connection:
            connection.execute(delete(schema.jobs))
        self.memory = MemoryJobs()
        self.machine = StateMachine(self.database)
        self.now = START
        self.fences: dict[JobId, int] = {}

    # What clients do.

    @rule(parent=indexes, has_parent=st.booleans(), priority=st.integers(0, 9), late=st.booleans())
    def submit(self, parent: int, *, has_parent: bool, priority: int, late: bool) -> None:
        parents = sorted(self.memory.rows)
        request = JobRequest(
            pipeline="probe",
            params={},
            priority=priority,
            not_before=self.now + timedelta(seconds=20) if late else None,
            parent_id=parents[parent % len(parents)] if has_parent and parents else None,
            webhook_url="https://example.com/hook" if priority > 6 else None,
            on_failure=FollowUp(task="shop.failed") if priority < 3 else None,
        )
        new = memory.new_job(request, job_id=rows.new_id(), is_published=not late)
        [(made, _)] = JobStore(self.database).add([new], now=self.now)
        assert made == self.memory.add(new, now=self.now)

    @rule(index=indexes)
    def request_cancel(self, index: int) -> None:
        self.change(index, lambda job: changes.request_cancel(job.id))

    @rule(index=indexes, has_finalizer=st.booleans())
    def cancel_queued(self, index: int, *, has_finalizer: bool) -> None:
        self.change(index, lambda job: changes.cancel_queued(job.id, has_finalizer=has_finalizer))

    @rule(index=indexes, waits=st.booleans())
    def resume(self, index: int, *, waits: bool) -> None:
        self.change(
            index,
            lambda job: changes.resume(job, stage="probe_second", waits_for_children=waits),
        )

    @rule(index=indexes)
    def restart(self, index: int) -> None:
        self.change(index, lambda job: changes.restart(job, stage="probe_first"))

    # What workers do.

    @rule(index=indexes, off=stale)
    def claim(self, index: int, off: int) -> None:
        claimant = Claimant(worker="w@here", pid=1, lease_s=LEASE_S)
        self.change(
            index,
            lambda job: changes.claim(
                ticket.stage_ticket(replace(job, fence=job.fence + off)), claimant
            ),
        )

    @rule(
        index=indexes, off=stale, output=st.sampled_from([None, 0, {"a": [1]}]), waits=st.booleans()
    )
    def advance(self, index: int, off: int, output: object, *, waits: bool) -> None:
        self.held(
            index,
            off,
            lambda hold: changes.advance(
                hold,
                next_stage="probe_second",
                output=output,
                progress=50.0,
                waits_for_children=waits,
            ),
        )

    @rule(index=indexes, off=stale)
    def succeed(self, index: int, off: int) -> None:
        self.held(index, off, lambda hold: changes.succeed(hold, result={"x": 1}))

    @rule(index=indexes, off=stale, at_once=st.booleans())
    def retry_later(self, index: int, off: int, *, at_once: bool) -> None:
        at = None if at_once else self.now + timedelta(seconds=10)
        self.held(
            index, off, lambda hold: changes.retry_later(hold, error=ERROR, progress=7.0, at=at)
        )

    @rule(index=indexes, off=stale, dead=st.booleans(), finalizer=st.booleans())
    def fail(self, index: int, off: int, *, dead: bool, finalizer: bool) -> None:
        self.held(
            index,
            off,
            lambda hold: changes.fail(
                hold, error=ERROR, is_dead_lettered=dead, has_finalizer=finalizer
            ),
        )

    @rule(index=indexes, off=stale, finalizer=st.booleans())
    def cancel(self, index: int, off: int, *, finalizer: bool) -> None:
        self.held(
            index,
            off,
            lambda hold: changes.cancel(hold, progress=9.0, has_finalizer=finalizer),
        )

    @rule(index=indexes, off=stale)
    def give_back(self, index: int, off: int) -> None:
        self.held(index, off, lambda hold: changes.give_back(hold, error=ERROR))

    @rule(index=indexes, off=stale)
    def claim_finalizer(self, index: int, off: int) -> None:
        claimant = Claimant(worker="w@here", pid=1, lease_s=LEASE_S)
        self.change(
            index,
            lambda job: changes.claim_finalizer(
                ticket.finalizer_ticket(
                    replace(job, fence=job.fence + off), task="probe_finalizer"
                ),
                claimant,
            ),
        )

    @rule(index=indexes, off=stale, is_done=st.booleans())
    def end_finalizer(self, index: int, off: int, *, is_done: bool) -> None:
        def ended(hold: Hold) -> Change | None:
            begun = self.memory.runs.get((hold.job_id, hold.fence))
            if begun is None or begun.stage != "probe_finalizer":
                return None  # nobody has claimed it with this fence
            return changes.end_finalizer(hold, error=None if is_done else ERROR)

        self.held(index, off, ended)

    @rule(index=indexes, off=stale)
    def renew(self, index: int, off: int) -> None:
        if (hold := self.hold(index, off)) is not None:
            real, want = LeaseStore(self.database), MemoryLeases(self.memory)
            until = self.now + timedelta(seconds=LEASE_S)
            assert real.cancels([hold]) == want.cancels([hold])
            assert real.renew([hold], until=until) == want.renew([hold], until=until)

    # What reconcilers do.

    @rule(seconds=st.sampled_from([1, 15, 31, 100]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(deliveries=st.integers(0, 3))
    def expire(self, deliveries: int) -> None:
        found = self.both(lambda due: due.expired(now=self.now, limit=100))
        for job in found:
            verdict = retry.after_lost_lease(replace(job, deliveries=deliveries), policy=POLICY)
            self.apply(self.expiry(job, verdict))

    @staticmethod
    def expiry(job: Job, verdict: Verdict) -> Change:
        return changes.expire(job, verdict, has_finalizer=True)

    @rule(limit=st.integers(1, 3))
    def take_due(self, limit: int) -> None:
        self.both(lambda due: due.take_due(KINDS, now=self.now, limit=limit))

    @rule(limit=st.integers(1, 3))
    def take_lost(self, limit: int) -> None:
        found = self.both(lambda due: due.published_before(self.now, after=None, limit=limit))
        self.both(lambda due: due.take_lost(found, now=self.now))

    @rule()
    def take_finalizers(self) -> None:
        self.both(
            lambda due: sorted(
                due.take_finalizers(KINDS, published_before=self.now, now=self.now, limit=100),
                key=lambda one: one[0].id,
            )
        )

    @rule(index=indexes)
    def abandon_finalizer(self, index: int) -> None:
        self.change(index, changes.abandon_finalizer)

    @rule(index=indexes)
    def fail_unknown_stage(self, index: int) -> None:
        self.change(index, lambda job: changes.fail_unknown_stage(job, error=ERROR))

    @rule()
    def cancel_with_parents(self) -> None:
        def cancelled(machine: StateMachine | MemoryJobs) -> list[Job]:
            found = machine.cancel_with_parents(finalized_kinds=KINDS, now=self.now, limit=100)
            return sorted(found, key=lambda job: job.id)

        assert cancelled(self.machine) == cancelled(self.memory)

    @rule()
    def show_children(self) -> None:
        real, want = ChildStore(self.database), MemoryDueJobs(self.memory)
        waiting = real.waiting_parents(limit=100)
        assert by_id(waiting) == by_id(want.waiting_parents(limit=100))
        ids = sorted(self.memory.rows)
        assert real.counts(ids) == want.counts(ids)
        for job in waiting:
            shown = Progress(progress=job.progress, message=f"{job.message}.")
            assert real.save_progress(job, shown) == want.save_progress(job, shown)

    # What holds at any time.

    @invariant()
    def both_have_the_same_rows(self) -> None:
        with self.database.read() as connection:
            found = connection.execute(select(schema.jobs)).all()
            ended = connection.execute(
                select(schema.runs.c.job_id, schema.runs.c.fence, schema.runs.c.outcome)
            ).all()
        assert {row.id: stored(row._mapping) for row in found} == {
            job_id: stored(row) for job_id, row in self.memory.rows.items()
        }
        assert {(row.job_id, row.fence): row.outcome for row in ended} == {
            key: run.outcome for key, run in self.memory.runs.items()
        }

    @invariant()
    def a_lease_belongs_to_one_open_run(self) -> None:
        for job_id, row in self.memory.rows.items():
            is_open = {
                fence
                for (own_id, fence), run in self.memory.runs.items()
                if own_id == job_id and run.outcome is None
            }
            is_held = row["lease_until"] is not None
            assert (row["state"] == JobState.RUNNING) <= is_held
            assert not is_held or row["fence"] in is_open

    @invariant()
    def fences_only_rise_and_ends_are_whole(self) -> None:
        for job_id, row in self.memory.rows.items():
            assert row["fence"] >= self.fences.get(job_id, 0)
            self.fences[job_id] = row["fence"]
            is_final = JobState(row["state"]) in FINAL_STATES
            assert is_final == (row["finished_at"] is not None)
            assert not (is_final and row["cancel_requested"])

    def change(self, index: int, make: Callable[[Job], Change]) -> None:
        ids = sorted(self.memory.rows)
        if ids:
            self.apply(make(self.memory.job(ids[index % len(ids)])))

    def hold(self, index: int, off: int) -> Hold | None:
        running = [
            job_id for job_id, row in sorted(self.memory.rows.items()) if row["lease_until"]
        ] or sorted(self.memory.rows)
        if not running:
            return None
        job_id = running[index % len(running)]
        return Hold(job_id=job_id, fence=self.memory.rows[job_id]["fence"] + off)

    def held(self, index: int, off: int, make: Callable[[Hold], Change | None]) -> None:
        hold = self.hold(index, off)
        change = make(hold) if hold is not None else None
        if change is not None:
            self.apply(change)

    def apply(self, change: Change) -> None:
        now = self.now
        want = self.memory.apply(change, clock=lambda: now)
        assert self.machine.apply(change, clock=lambda: now) == want

    def both(self, find: Callable[[Any], Any]) -> Any:  # whatever they give
        found = find(DueJobStore(self.database))
        want = find(MemoryDueJobs(self.memory))
        # Not by their text: RETURNING of SQLite may give 0 where the column holds 0.0.
        assert sorted(found, key=_id_of) == sorted(want, key=_id_of)
        return found


def _id_of(found: Job | PublishedAt | tuple[Job, int]) -> str:
    match found:
        case Job():
            return found.id
        case PublishedAt():
            return found.job_id
        case (job, _):
            return job.id


def by_id(jobs: Collection[Job]) -> dict[JobId, Job]:
    return {job.id: job for job in jobs}


def stored(row: Any) -> dict[str, Any]:  # columns of several types
    """The columns of a row, however it is kept."""
    found = dict(row)
    error = found["error"]
    found["error"] = rows.parse_error(error) if isinstance(error, dict) else error
    found["state"] = JobState(found["state"])
    found.pop("labels")
    return found


@pytest.mark.timeout(600)
def test_every_order_of_changes_keeps_rows_and_memory_alike(database_url: str) -> None:
    database = Database(database_url)

    class OverThisDatabase(JobsOverTime):
        pass

    OverThisDatabase.database = database
    try:
        run_state_machine_as_test(
            OverThisDatabase,
            settings=settings(
                max_examples=20,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        database.close()
