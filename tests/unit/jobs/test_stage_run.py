"""One run of a stage, in virtual time."""

from datetime import timedelta

import pytest

from app.errors import (
    LimitExceeded,
    PermanentError,
    RateLimited,
    RetryableError,
    StorageUnavailable,
)
from app.jobs.model import changes, ticket
from app.jobs.model.changes import Change
from app.jobs.model.job import FollowUp, Job, JobRequest, JobState, Json, RunOutcome
from app.jobs.model.retry import Policy
from app.jobs.model.ticket import Claimant
from app.jobs.model.work import Work
from app.jobs.run.stage_run import StageOutcome, StageOutcomeKind, WorkOn
from tests.unit.jobs import build
from tests.unit.jobs.parts import LEASE_S, VirtualPlatform


@pytest.fixture
def virtual() -> VirtualPlatform:
    return VirtualPlatform()


def returning(output: Json) -> WorkOn:
    return lambda work, *_: output


def raising(error: Exception) -> WorkOn:
    def work_on(work: Work, *_given: object) -> Json:
        raise error

    return work_on


def outcome_of(virtual: VirtualPlatform, job: Job, fence: int = 1) -> RunOutcome | None:
    return virtual.rows.runs[job.id, fence].outcome


def test_a_stage_that_returns_queues_the_next_one(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    outcome = virtual.run(job, returning({"n": 1}))

    found = virtual.now(job)
    assert outcome == StageOutcome(kind=StageOutcomeKind.DONE, output={"n": 1})
    assert (found.state, found.stage, found.stage_input) == ("queued", "probe_second", {"n": 1})
    assert (found.progress, found.attempt) == (50.0, 0)
    assert outcome_of(virtual, job) is RunOutcome.SUCCEEDED
    assert virtual.broker.sent == [f"{job.id}.0", f"{job.id}.1"]
    assert virtual.events.told == ["running probe_first", "queued probe_second"]


def test_the_last_stage_ends_the_job_with_its_callbacks(virtual: VirtualPlatform) -> None:
    job = virtual.submit(
        JobRequest(pipeline="probe", params={}, on_success=FollowUp(task="shop.done"))
    )
    for output in (1, 2, {"all": 3}):
        virtual.run(job, returning(output))

    found = virtual.now(job)
    assert (found.state, found.result, found.progress) == ("succeeded", {"all": 3}, 100.0)
    assert virtual.events.told[-1] == "succeeded probe_last"
    assert virtual.broker.sent[-1].endswith(".0")  # the callback, a job of its own
    assert virtual.broker.finalizers == []


def test_a_second_delivery_does_nothing(virtual: VirtualPlatform) -> None:
    job = virtual.submit()
    own = ticket.stage_ticket(job)
    virtual.runner.run_stage(own, returning(1), worker="w@here")
    told = list(virtual.events.told)

    outcome = virtual.runner.run_stage(
        own, raising(AssertionError("it ran twice")), worker="w@here"
    )

    assert outcome.kind is StageOutcomeKind.NOT_OURS
    assert virtual.events.told == told


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        pytest.param(RetryableError("x"), 30, id="half of the base is certain"),
        pytest.param(KeyError("x"), 30, id="an unknown error may heal"),
        pytest.param(RateLimited("x", retry_after_s=500), 500, id="the server asks for longer"),
    ],
)
def test_a_failure_that_may_heal_waits_and_runs_again(
    virtual: VirtualPlatform, error: Exception, pause_s: float
) -> None:
    job = virtual.submit()

    outcome = virtual.run(job, raising(error))

    found = virtual.now(job)
    assert outcome == StageOutcome(kind=StageOutcomeKind.RETRIED, error=error)
    assert (found.state, found.stage, found.attempt) == ("queued", "probe_first", 1)
    assert found.not_before == build.NOW + timedelta(seconds=pause_s)
    assert outcome_of(virtual, job) is RunOutcome.RETRIED
    assert virtual.broker.sent == [f"{job.id}.0"]  # the reconciler publishes it when its time comes


def test_without_pauses_a_failed_stage_is_published_at_once() -> None:
    virtual = VirtualPlatform(policy=Policy(base_s=60, max_s=3600, max_deliveries=3, pauses=False))
    job = virtual.submit()

    virtual.run(job, raising(RetryableError("x")))

    assert virtual.now(job).not_before is None
    assert virtual.broker.sent == [f"{job.id}.0", f"{job.id}.1"]


@pytest.mark.parametrize(
    ("error", "attempts", "is_dead"),
    [
        pytest.param(PermanentError("x"), 1, False, id="trying again would fail again"),
        pytest.param(RetryableError("x"), 4, True, id="the last attempt"),
    ],
)
def test_a_job_that_failed_is_cleaned_up(
    virtual: VirtualPlatform, error: Exception, attempts: int, *, is_dead: bool
) -> None:
    job = virtual.submit()
    for _ in range(attempts):
        outcome = virtual.run(job, raising(error))

    found = virtual.now(job)
    assert outcome == StageOutcome(kind=StageOutcomeKind.FAILED, error=error)
    assert (found.state, found.dead_lettered_at is not None) == (JobState.FAILED, is_dead)
    assert virtual.broker.finalizers == [f"{job.id}.{attempts}"]


def test_progress_is_a_share_of_the_job_and_never_goes_back(virtual: VirtualPlatform) -> None:
    def work_on(work: Work, *_given: object) -> Json:
        for percent in (50, 20, 80):
            virtual.clock.turn(1)
            work.progress(percent, "reading")
        return None

    virtual.run(virtual.submit(), work_on)

    assert virtual.events.told[1:4] == ["30 % reading", "30 % reading", "42 % reading"]


def test_progress_that_came_too_fast_is_shown_at_the_next_tick_and_saved(
    virtual: VirtualPlatform,
) -> None:
    def work_on(work: Work, *_given: object) -> Json:
        virtual.clock.turn(6)
        work.progress(10, "first")
        work.progress(20, "second")
        virtual.renewer.tick()
        return None

    virtual.run(virtual.submit(), work_on)

    assert virtual.events.told[1:3] == ["14 % first", "18 % second"]
    assert [saved.message for saved in virtual.leases.saved] == ["second"]


def test_a_cancel_stops_the_work_at_its_next_check(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        virtual.lifecycle.apply(changes.request_cancel(job.id))
        virtual.renewer.tick()
        work.check()
        raise AssertionError("it went on")

    outcome = virtual.run(job, work_on)

    assert outcome.kind is StageOutcomeKind.CANCELLED
    assert virtual.now(job).state is JobState.CANCELLED
    assert virtual.broker.finalizers == [f"{job.id}.1"]


def test_a_cancel_at_the_last_moment_wins_over_the_next_stage(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        virtual.lifecycle.apply(changes.request_cancel(job.id))
        return "done"

    assert virtual.run(job, work_on).kind is StageOutcomeKind.CANCELLED
    assert virtual.now(job).state is JobState.CANCELLED


def test_a_run_whose_lease_was_lost_changes_nothing(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        virtual.clock.turn(LEASE_S + 1)
        virtual.reconciler().tick()
        return "too late"

    outcome = virtual.run(job, work_on)

    assert outcome.kind is StageOutcomeKind.NOT_OURS
    assert (virtual.now(job).state, virtual.now(job).deliveries) == ("queued", 1)
    assert outcome_of(virtual, job) is RunOutcome.LOST


def test_a_lease_is_renewed_while_the_work_goes_on(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        for _ in range(10):
            virtual.clock.turn(LEASE_S / 3)
            virtual.renewer.tick()
            work.check()
        return 1

    assert virtual.run(job, work_on).kind is StageOutcomeKind.DONE


def test_the_soft_limit_stops_the_work(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        virtual.clock.turn(101)
        virtual.renewer.tick()
        work.check()
        return 1

    outcome = virtual.run(job, work_on)

    found = virtual.now(job)
    assert isinstance(outcome.error, LimitExceeded)
    assert found.error is not None
    assert (found.state, found.error.type) == (JobState.FAILED, "LimitExceeded")


def test_the_hard_limit_fails_a_job_whose_work_never_returns(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        virtual.clock.turn(121)
        virtual.renewer.tick()
        assert virtual.now(job).state is JobState.FAILED
        return 1

    assert virtual.run(job, work_on).kind is StageOutcomeKind.NOT_OURS


def test_an_outcome_waits_for_the_database(
    virtual: VirtualPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = virtual.submit()
    apply, away_until = virtual.rows.apply, 300.0

    def away(change: Change, **clock: object) -> Job | None:
        if change.transition.name != "claim" and virtual.clock.monotonic() < away_until:
            raise StorageUnavailable("away")
        return apply(change, **clock)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(virtual.rows, "apply", away)

    assert virtual.run(job, returning(1)).kind is StageOutcomeKind.DONE
    assert virtual.clock.monotonic() >= away_until


def test_a_claim_that_cannot_be_written_leaves_the_job_to_the_reconciler(
    virtual: VirtualPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(change: Change, **clock: object) -> Job | None:
        raise StorageUnavailable("away")

    job = virtual.submit()
    monkeypatch.setattr(virtual.rows, "apply", away)

    assert virtual.run(job, returning(1)).kind is StageOutcomeKind.NOT_OURS
    assert virtual.now(job).state is JobState.QUEUED


def test_a_worker_that_stops_gives_its_jobs_back(virtual: VirtualPlatform) -> None:
    job = virtual.submit()

    def work_on(work: Work, *_given: object) -> Json:
        virtual.runner.give_back((ticket.stage_ticket(job),))
        work.check()
        return 1

    assert virtual.run(job, work_on).kind is StageOutcomeKind.NOT_OURS
    found = virtual.now(job)
    assert (found.state, found.attempt, found.deliveries) == (JobState.QUEUED, 0, 0)


def test_a_finalizer_that_fails_is_due_again(virtual: VirtualPlatform) -> None:
    job = virtual.submit()
    virtual.run(job, raising(PermanentError("x")))
    for work_on, is_done in ((raising(OSError("full")), False), (returning(None), True)):
        own = ticket.finalizer_ticket(virtual.now(job), task="probe_finalizer")
        virtual.runner.run_finalizer(own, work_on, worker="w@here")
        assert (virtual.rows.rows[job.id]["finalized_at"] is not None) is is_done

    assert virtual.now(job).state is JobState.FAILED
    assert [run.outcome for run in virtual.rows.runs.values()] == ["failed", "failed", "succeeded"]


def test_a_killed_process_fails_its_job(virtual: VirtualPlatform) -> None:
    job = virtual.submit()
    claimant = Claimant(worker="w@here", pid=1, lease_s=LEASE_S)
    own = ticket.stage_ticket(job)
    assert virtual.lifecycle.claim(own, claimant) is not None

    virtual.runner.fail_killed(own)

    assert virtual.now(job).state is JobState.FAILED
    assert virtual.broker.finalizers == [f"{job.id}.1"]
