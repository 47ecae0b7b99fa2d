"""Claims: one winner, and a fence that keeps the others out."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from app.jobs.model import changes, ticket
from app.jobs.model.job import Artifact, Job, JobError, JobState, RunOutcome
from app.jobs.model.ticket import Hold
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from app.jobs.store.state_machine import StateMachine
from app.storage import schema
from tests.integration.jobs import acts
from tests.integration.jobs.acts import NOW

ERROR = JobError(type="RetryableError", message="try again", retryable=True, attempt=1)


@pytest.fixture
def job(jobs: Jobs) -> Job:
    return jobs.submit(acts.request())


def test_claim_makes_the_job_ours(platform: Platform, job: Job) -> None:
    claimed = acts.claimed(platform, job)

    assert (claimed.state, claimed.fence, claimed.attempt) == (JobState.RUNNING, 1, 1)
    assert claimed.started_at == NOW


def test_claim_of_many_at_once_has_one_winner(platform: Platform, job: Job) -> None:
    own = ticket.stage_ticket(job)

    with ThreadPoolExecutor(16) as threads:
        won = list(
            threads.map(
                lambda _: acts.apply(platform, changes.claim(own, acts.claimant())),
                range(64),
            )
        )

    assert len([one for one in won if one is not None]) == 1
    assert len(platform.jobs.runs(job.id)) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"fence": 5}, id="a fence that is not the row's"),
        pytest.param({"stage": "probe_last"}, id="a stage that is not the row's"),
        pytest.param({"job_id": "another"}, id="a job that is not there"),
    ],
)
def test_claim_needs_the_row_as_the_ticket_says(
    platform: Platform, job: Job, change: dict[str, object]
) -> None:
    values = {"job_id": job.id, "stage": job.stage, "fence": job.fence, **change}

    own = ticket.Ticket(**values)  # type: ignore[arg-type]  # a table of cases
    assert acts.apply(platform, changes.claim(own, acts.claimant())) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_lease_begins_when_the_writers_before_are_through(platform: Platform, job: Job) -> None:
    asked = threading.Event()

    def clock() -> datetime:
        asked.set()
        return NOW

    change = changes.claim(ticket.stage_ticket(job), acts.claimant())
    machine = StateMachine(platform.database)
    with ThreadPoolExecutor(1) as threads:
        with platform.database.write() as connection:
            connection.execute(update(schema.jobs).values(message="a writer before"))
            claiming = threads.submit(machine.apply, change, clock=clock)
            assert not asked.wait(0.5)
        assert claiming.result() is not None


def test_second_delivery_claims_nothing(platform: Platform, job: Job) -> None:
    acts.claimed(platform, job)

    assert acts.apply(platform, changes.claim(ticket.stage_ticket(job), acts.claimant())) is None


def test_advance_queues_the_next_stage_with_its_input(platform: Platform, job: Job) -> None:
    claimed = acts.claimed(platform, job)

    after = acts.apply(
        platform,
        changes.advance(
            acts.hold(claimed), next_stage="probe_second", output={"x": [1]}, progress=50
        ),
    )

    assert after is not None
    assert (after.state, after.stage, after.stage_input) == (
        JobState.QUEUED,
        "probe_second",
        {"x": [1]},
    )
    assert (after.attempt, after.deliveries, after.progress) == (0, 0, 50)
    [run] = platform.jobs.runs(job.id)
    assert (run.outcome, run.ended_at, run.worker) == (RunOutcome.SUCCEEDED, NOW, "w1@here")


def test_succeed_keeps_the_result(platform: Platform, job: Job) -> None:
    claimed = acts.claimed(platform, job)

    after = acts.apply(platform, changes.succeed(acts.hold(claimed), result=["r"]))

    assert after is not None
    assert (after.state, after.result, after.progress) == (JobState.SUCCEEDED, ["r"], 100)
    assert after.finished_at == NOW


@pytest.mark.parametrize("result", [None, False, 0, "", [], {}, {"a": None}])
def test_succeed_keeps_results_that_look_like_none(
    platform: Platform, job: Job, result: object
) -> None:
    claimed = acts.claimed(platform, job)

    acts.apply(platform, changes.succeed(acts.hold(claimed), result=result))

    assert platform.jobs.get(job.id).result == result


def expire(platform: Platform, job: Job) -> Job:
    """Another attempt owns the job: its lease expired and a second worker claimed it."""
    from app.jobs.model import retry

    later = NOW + timedelta(seconds=31)
    verdict = retry.after_lost_lease(job, policy=platform.policy)
    queued = acts.apply(platform, changes.expire(job, verdict, has_finalizer=True), now=later)
    assert queued is not None
    return acts.claimed(platform, queued, later)


def test_a_worker_that_was_presumed_dead_changes_nothing(platform: Platform, job: Job) -> None:
    old = acts.claimed(platform, job)
    new = expire(platform, old)
    hold, leases = acts.hold(old), acts.leases(platform)

    artifact = Artifact(name="a", media_type="b", size_bytes=1, sha256="c")
    answers = [
        acts.apply(platform, change)
        for change in (
            changes.advance(hold, next_stage="probe_second", output=1, progress=1),
            changes.succeed(hold, result=1),
            changes.retry_later(hold, error=ERROR, progress=7, at=NOW),
            changes.fail(hold, error=ERROR, is_dead_lettered=True, has_finalizer=True),
            changes.cancel(hold, progress=7, has_finalizer=True),
        )
    ]

    assert answers == [None] * 5
    assert leases.save_artifact(hold, artifact, key="k", now=NOW) == (False, None)
    assert leases.renew([hold], until=NOW) == set()
    assert leases.cancels([hold]) == {acts.hold(new): False}
    assert platform.jobs.get(job.id) == new


def test_renew_moves_the_lease_of_ours_alone(platform: Platform, jobs: Jobs) -> None:
    ours, others = jobs.submit_many([acts.request(), acts.request()])
    held = acts.hold(acts.claimed(platform, ours))
    acts.claimed(platform, others)
    gone = Hold(job_id=ours.id, fence=99)
    later = NOW + timedelta(hours=1)

    assert acts.leases(platform).renew([held, gone], until=later) == {held}

    expired = acts.due_jobs(platform).expired(now=NOW + timedelta(minutes=1), limit=10)
    assert [job.id for job in expired] == [others.id]


def test_look_tells_of_a_cancel(platform: Platform, jobs: Jobs, job: Job) -> None:
    held = acts.hold(acts.claimed(platform, job))
    before = acts.leases(platform).cancels([held])

    jobs.cancel(job.id)

    assert before == {held: False}
    assert acts.leases(platform).cancels([held]) == {held: True}


def test_advance_and_retry_give_way_to_a_cancel(platform: Platform, jobs: Jobs, job: Job) -> None:
    hold = acts.hold(acts.claimed(platform, job))
    jobs.cancel(job.id)

    advanced = acts.apply(
        platform, changes.advance(hold, next_stage="probe_second", output=1, progress=1)
    )
    retried = acts.apply(platform, changes.retry_later(hold, error=ERROR, progress=7, at=NOW))
    cancelled = acts.apply(platform, changes.cancel(hold, progress=7, has_finalizer=False))

    assert (advanced, retried) == (None, None)
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED


def test_a_retry_keeps_its_error_and_its_time(platform: Platform, job: Job) -> None:
    hold = acts.hold(acts.claimed(platform, job))
    at = NOW + timedelta(seconds=60)

    acts.apply(platform, changes.retry_later(hold, error=ERROR, progress=7, at=at))

    found = platform.jobs.get(job.id)
    assert (found.state, found.error, found.not_before) == (JobState.QUEUED, ERROR, at)
    [run] = platform.jobs.runs(job.id)
    assert (run.outcome, run.error) == (RunOutcome.RETRIED, ERROR)


def test_an_artifact_kept_twice_is_replaced(platform: Platform, job: Job) -> None:
    hold = acts.hold(acts.claimed(platform, job))
    old = Artifact(name="a.txt", media_type="text/plain", size_bytes=1, sha256="1")
    new = Artifact(name="a.txt", media_type="text/html", size_bytes=2, sha256="2")

    first = acts.leases(platform).save_artifact(hold, old, key="jobs/1/a.txt", now=NOW)
    second = acts.leases(platform).save_artifact(hold, new, key="jobs/2/a.txt", now=NOW)

    assert (first, second) == ((True, None), (True, "jobs/1/a.txt"))
    assert platform.jobs.get(job.id).artifacts == (new,)
    assert platform.jobs.artifact(job.id, "a.txt") == (new, "jobs/2/a.txt")


def failed(platform: Platform, job: Job, now: datetime = NOW) -> Job:
    claimed = acts.claimed(platform, job)
    ended = acts.apply(
        platform,
        changes.fail(acts.hold(claimed), error=ERROR, is_dead_lettered=False, has_finalizer=True),
        now=now,
    )
    assert ended is not None
    return ended


def test_a_finalizer_is_claimed_once(platform: Platform, job: Job) -> None:
    own = ticket.finalizer_ticket(failed(platform, job), task="probe_finalizer")

    first = acts.apply(platform, changes.claim_finalizer(own, acts.claimant()))
    second = acts.apply(platform, changes.claim_finalizer(own, acts.claimant()))

    assert first is not None
    assert second is None


def test_a_finalizer_of_a_job_that_was_taken_up_again_is_refused(
    platform: Platform, jobs: Jobs, job: Job
) -> None:
    own = ticket.finalizer_ticket(failed(platform, job), task="probe_finalizer")
    jobs.retry(job.id)

    assert acts.apply(platform, changes.claim_finalizer(own, acts.claimant())) is None


def test_a_finalizer_that_failed_can_be_claimed_again(platform: Platform, job: Job) -> None:
    own = ticket.finalizer_ticket(failed(platform, job), task="probe_finalizer")
    first = acts.apply(platform, changes.claim_finalizer(own, acts.claimant()))
    assert first is not None

    after = acts.apply(platform, changes.end_finalizer(acts.hold(first), error=ERROR))

    assert after is not None
    again = ticket.finalizer_ticket(after, task="probe_finalizer")
    assert acts.apply(platform, changes.claim_finalizer(again, acts.claimant())) is not None
