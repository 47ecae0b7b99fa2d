"""One run of a stage, in virtual time."""

from collections.abc import Callable
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
from app.jobs.run.stage_run import StageOutcome, StageOutcomeKind
from tests.unit.jobs import build
from tests.unit.jobs.parts import LEASE_S, Site


@pytest.fixture
def site() -> Site:
    return Site()


def returning(output: Json) -> Callable[[Work], Json]:
    return lambda work: output


def raising(error: Exception) -> Callable[[Work], Json]:
    def work_on(work: Work) -> Json:
        raise error

    return work_on


def outcome_of(site: Site, job: Job, fence: int = 1) -> RunOutcome | None:
    return site.rows.runs[job.id, fence].outcome


def test_a_stage_that_returns_queues_the_next_one(site: Site) -> None:
    job = site.submit()

    outcome = site.run(job, returning({"n": 1}))

    found = site.now(job)
    assert outcome == StageOutcome(kind=StageOutcomeKind.DONE, output={"n": 1})
    assert (found.state, found.stage, found.stage_input) == ("queued", "probe_second", {"n": 1})
    assert (found.progress, found.attempt) == (50.0, 0)
    assert outcome_of(site, job) is RunOutcome.SUCCEEDED
    assert site.broker.sent == [f"{job.id}.0", f"{job.id}.1"]
    assert site.events.told == ["running probe_first", "queued probe_second"]


def test_the_last_stage_ends_the_job_with_its_callbacks(site: Site) -> None:
    job = site.submit(
        JobRequest(pipeline="probe", params={}, on_success=FollowUp(task="shop.done"))
    )
    for output in (1, 2, {"all": 3}):
        site.run(job, returning(output))

    found = site.now(job)
    assert (found.state, found.result, found.progress) == ("succeeded", {"all": 3}, 100.0)
    assert site.events.told[-1] == "succeeded probe_last"
    assert site.broker.sent[-1].endswith(".0")  # the callback, a job of its own
    assert site.broker.finalizers == []


def test_a_second_delivery_does_nothing(site: Site) -> None:
    job = site.submit()
    own = ticket.stage_ticket(job)
    site.runner.run_stage(own, returning(1), worker="w@here")
    told = list(site.events.told)

    outcome = site.runner.run_stage(own, raising(AssertionError("it ran twice")), worker="w@here")

    assert outcome.kind is StageOutcomeKind.NOT_OURS
    assert site.events.told == told


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        pytest.param(RetryableError("x"), 30, id="half of the base is certain"),
        pytest.param(KeyError("x"), 30, id="an unknown error may heal"),
        pytest.param(RateLimited("x", retry_after_s=500), 500, id="the server asks for longer"),
    ],
)
def test_a_failure_that_may_heal_waits_and_runs_again(
    site: Site, error: Exception, pause_s: float
) -> None:
    job = site.submit()

    outcome = site.run(job, raising(error))

    found = site.now(job)
    assert outcome == StageOutcome(kind=StageOutcomeKind.RETRIED, error=error)
    assert (found.state, found.stage, found.attempt) == ("queued", "probe_first", 1)
    assert found.not_before == build.NOW + timedelta(seconds=pause_s)
    assert outcome_of(site, job) is RunOutcome.RETRIED
    assert site.broker.sent == [f"{job.id}.0"]  # the reconciler publishes it when its time comes


def test_without_pauses_a_failed_stage_is_published_at_once() -> None:
    site = Site(policy=Policy(base_s=60, max_s=3600, max_deliveries=3, pauses=False))
    job = site.submit()

    site.run(job, raising(RetryableError("x")))

    assert site.now(job).not_before is None
    assert site.broker.sent == [f"{job.id}.0", f"{job.id}.1"]


@pytest.mark.parametrize(
    ("error", "attempts", "is_dead"),
    [
        pytest.param(PermanentError("x"), 1, False, id="trying again would fail again"),
        pytest.param(RetryableError("x"), 4, True, id="the last attempt"),
    ],
)
def test_a_job_that_failed_is_cleaned_up(
    site: Site, error: Exception, attempts: int, *, is_dead: bool
) -> None:
    job = site.submit()
    for _ in range(attempts):
        outcome = site.run(job, raising(error))

    found = site.now(job)
    assert outcome == StageOutcome(kind=StageOutcomeKind.FAILED, error=error)
    assert (found.state, found.dead_lettered_at is not None) == (JobState.FAILED, is_dead)
    assert site.broker.finalizers == [f"{job.id}.{attempts}"]


def test_progress_is_a_share_of_the_job_and_never_goes_back(site: Site) -> None:
    def work_on(work: Work) -> Json:
        for percent in (50, 20, 80):
            site.clock.turn(1)
            work.progress(percent, "reading")
        return None

    site.run(site.submit(), work_on)

    assert site.events.told[1:4] == ["30 % reading", "30 % reading", "42 % reading"]


def test_progress_that_came_too_fast_is_shown_at_the_next_tick_and_saved(site: Site) -> None:
    def work_on(work: Work) -> Json:
        site.clock.turn(6)
        work.progress(10, "first")
        work.progress(20, "second")
        site.renewer.tick()
        return None

    site.run(site.submit(), work_on)

    assert site.events.told[1:3] == ["14 % first", "18 % second"]
    assert [saved.message for saved in site.leases.saved] == ["second"]


def test_a_cancel_stops_the_work_at_its_next_check(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        site.lifecycle.apply(changes.request_cancel(job.id))
        site.renewer.tick()
        work.check()
        raise AssertionError("it went on")

    outcome = site.run(job, work_on)

    assert outcome.kind is StageOutcomeKind.CANCELLED
    assert site.now(job).state is JobState.CANCELLED
    assert site.broker.finalizers == [f"{job.id}.1"]


def test_a_cancel_at_the_last_moment_wins_over_the_next_stage(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        site.lifecycle.apply(changes.request_cancel(job.id))
        return "done"

    assert site.run(job, work_on).kind is StageOutcomeKind.CANCELLED
    assert site.now(job).state is JobState.CANCELLED


def test_a_run_whose_lease_was_lost_changes_nothing(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        site.clock.turn(LEASE_S + 1)
        site.reconciler().tick()
        return "too late"

    outcome = site.run(job, work_on)

    assert outcome.kind is StageOutcomeKind.NOT_OURS
    assert (site.now(job).state, site.now(job).deliveries) == ("queued", 1)
    assert outcome_of(site, job) is RunOutcome.LOST


def test_a_lease_is_renewed_while_the_work_goes_on(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        for _ in range(10):
            site.clock.turn(LEASE_S / 3)
            site.renewer.tick()
            work.check()
        return 1

    assert site.run(job, work_on).kind is StageOutcomeKind.DONE


def test_the_soft_limit_stops_the_work(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        site.clock.turn(101)
        site.renewer.tick()
        work.check()
        return 1

    outcome = site.run(job, work_on)

    found = site.now(job)
    assert isinstance(outcome.error, LimitExceeded)
    assert found.error is not None
    assert (found.state, found.error.type) == (JobState.FAILED, "LimitExceeded")


def test_the_hard_limit_fails_a_job_whose_work_never_returns(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        site.clock.turn(121)
        site.renewer.tick()
        assert site.now(job).state is JobState.FAILED
        return 1

    assert site.run(job, work_on).kind is StageOutcomeKind.NOT_OURS


def test_an_outcome_waits_for_the_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job = site.submit()
    apply, away_until = site.rows.apply, 300.0

    def away(change: Change, **clock: object) -> Job | None:
        if change.transition.name != "claim" and site.clock.monotonic() < away_until:
            raise StorageUnavailable("away")
        return apply(change, **clock)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(site.rows, "apply", away)

    assert site.run(job, returning(1)).kind is StageOutcomeKind.DONE
    assert site.clock.monotonic() >= away_until


def test_a_claim_that_cannot_be_written_leaves_the_job_to_the_reconciler(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(change: Change, **clock: object) -> Job | None:
        raise StorageUnavailable("away")

    job = site.submit()
    monkeypatch.setattr(site.rows, "apply", away)

    assert site.run(job, returning(1)).kind is StageOutcomeKind.NOT_OURS
    assert site.now(job).state is JobState.QUEUED


def test_a_worker_that_stops_gives_its_jobs_back(site: Site) -> None:
    job = site.submit()

    def work_on(work: Work) -> Json:
        site.runner.give_back((f"{job.id}.0", "a-plain-task"))
        work.check()
        return 1

    assert site.run(job, work_on).kind is StageOutcomeKind.NOT_OURS
    found = site.now(job)
    assert (found.state, found.attempt, found.deliveries) == (JobState.QUEUED, 0, 0)


def test_a_finalizer_that_fails_is_due_again(site: Site) -> None:
    job = site.submit()
    site.run(job, raising(PermanentError("x")))
    for work_on, is_done in ((raising(OSError("full")), False), (returning(None), True)):
        own = ticket.finalizer_ticket(site.now(job), task="probe_finalizer")
        site.runner.run_finalizer(own, work_on, worker="w@here")
        assert (site.rows.rows[job.id]["finalized_at"] is not None) is is_done

    assert site.now(job).state is JobState.FAILED
    assert [run.outcome for run in site.rows.runs.values()] == ["failed", "failed", "succeeded"]


def test_a_killed_process_fails_its_job(site: Site) -> None:
    job = site.submit()
    claimant = Claimant(worker="w@here", pid=1, lease_s=LEASE_S)
    assert site.lifecycle.claim(ticket.stage_ticket(job), claimant) is not None

    site.runner.fail_killed(f"{job.id}.0")

    assert site.now(job).state is JobState.FAILED
    assert site.broker.finalizers == [f"{job.id}.1"]
