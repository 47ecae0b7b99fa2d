"""The reconciler's rounds, in virtual time."""

from datetime import timedelta

import pytest

from app.errors import PermanentError, RetryableError
from app.jobs.maintenance.reconciler import FINALIZER_RUNS, Reconciler
from app.jobs.model import changes, ticket
from app.jobs.model.job import Job, JobRequest, JobState, Json, Progress
from app.jobs.model.ticket import Claimant, Hold
from app.jobs.model.work import Work
from tests.unit.jobs.parts import LEASE_S, VirtualPlatform

GRACE_S = 10.0


@pytest.fixture
def virtual() -> VirtualPlatform:
    return VirtualPlatform()


@pytest.fixture
def reconciler(virtual: VirtualPlatform) -> Reconciler:
    return virtual.reconciler()


def claimed(virtual: VirtualPlatform, job: Job) -> Job:
    """The job in the hands of a worker that dies now."""
    claimant = Claimant(worker="w@here", pid=1, lease_s=LEASE_S)
    found = virtual.lifecycle.claim(ticket.stage_ticket(virtual.now(job)), claimant)
    assert found is not None
    return found


def pass_leases(virtual: VirtualPlatform, reconciler: Reconciler) -> None:
    """Let a lease expire while the reconciler is awake."""
    for _ in range(4):
        virtual.clock.turn(LEASE_S / 3)
        reconciler.tick()


def never(work: Work, *_: object) -> Json:
    raise AssertionError("this must not run")


def test_a_job_that_the_broker_holds_is_left_alone(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = virtual.submit()

    for _ in range(5):
        virtual.clock.turn(GRACE_S)
        reconciler.tick()

    assert virtual.broker.sent == [f"{job.id}.0"]


def test_a_message_that_the_broker_lost_is_published_again(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = virtual.submit()
    virtual.broker.sent.clear()
    virtual.clock.turn(GRACE_S - 1)
    reconciler.tick()
    early = list(virtual.broker.sent)

    virtual.clock.turn(GRACE_S)
    reconciler.tick()
    reconciler.tick()

    assert early == []
    assert virtual.broker.sent == [f"{job.id}.0"]


def test_a_job_is_published_when_its_time_has_come(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    at = virtual.clock.now() + timedelta(seconds=5)
    job = virtual.submit(JobRequest(pipeline="probe", params={}, not_before=at), is_published=False)
    reconciler.tick()
    early = list(virtual.broker.sent)

    virtual.clock.turn(5)
    reconciler.tick()
    reconciler.tick()

    assert early == []
    assert virtual.broker.sent == [f"{job.id}.0"]


def test_jobs_are_published_in_the_order_of_their_priorities(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    made = [
        virtual.submit(JobRequest(pipeline="probe", params={}, priority=one), is_published=False)
        for one in (9, 0, 5)
    ]

    reconciler.tick()

    assert virtual.broker.sent == [f"{made[index].id}.0" for index in (1, 2, 0)]


def test_an_expired_lease_queues_the_job_again(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = claimed(virtual, virtual.submit())

    pass_leases(virtual, reconciler)

    found = virtual.now(job)
    assert (found.state, found.attempt, found.deliveries) == (JobState.QUEUED, 1, 1)
    assert virtual.broker.sent[-1] == f"{job.id}.1"
    assert virtual.events.told[-1] == "queued probe_first"


def test_the_progress_that_clients_have_seen_survives_a_lost_worker(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = claimed(virtual, virtual.submit())
    virtual.events.progress(job, Progress(progress=33.0, message="reading"))

    pass_leases(virtual, reconciler)

    assert virtual.now(job).progress == 33.0


def test_after_a_sleep_of_the_machine_workers_may_renew_their_leases(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = claimed(virtual, virtual.submit())

    virtual.clock.turn(3600)
    reconciler.tick()
    asleep = virtual.now(job).state
    for _ in range(3):
        virtual.clock.turn(LEASE_S / 3)
        reconciler.tick()

    assert asleep is JobState.RUNNING
    assert virtual.now(job).state is JobState.QUEUED


def test_a_stage_that_killed_too_many_workers_is_poison(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = virtual.submit()
    for _ in range(virtual.policy.max_deliveries):
        claimed(virtual, job)
        pass_leases(virtual, reconciler)

    dead = virtual.now(job)
    assert dead.error is not None
    assert (dead.state, dead.error.type) == (JobState.FAILED, "PoisonedJob")
    assert dead.dead_lettered_at is not None
    assert virtual.broker.finalizers == [f"{job.id}.{virtual.policy.max_deliveries}"]


def test_a_cancelled_job_of_a_dead_worker_is_cancelled_with_its_children(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    parent = claimed(virtual, virtual.submit())
    child = virtual.submit(JobRequest(pipeline="probe", params={}, parent_id=parent.id))
    virtual.lifecycle.apply(changes.request_cancel(parent.id))

    pass_leases(virtual, reconciler)

    assert [virtual.now(job).state for job in (parent, child)] == ["cancelled", "cancelled"]


def test_without_redis_leases_expire_and_nothing_is_marked_as_published(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    job = claimed(virtual, virtual.submit())
    virtual.events.is_there = False

    pass_leases(virtual, reconciler)

    assert virtual.now(job).state is JobState.QUEUED
    assert virtual.rows.rows[job.id]["published_at"] is None


def test_a_parent_shows_its_children_and_goes_on_after_the_last(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    parent = claimed(virtual, virtual.submit())
    children = [
        virtual.submit(JobRequest(pipeline="probe", params={}, parent_id=parent.id))
        for _ in range(2)
    ]
    virtual.lifecycle.apply(
        changes.advance(
            Hold(job_id=parent.id, fence=1),
            next_stage="probe_second",
            output=None,
            progress=50.0,
            waits_for_children=True,
        )
    )
    virtual.lifecycle.apply(changes.cancel_queued(children[0].id, has_finalizer=False))
    reconciler.tick()
    first, early = virtual.now(parent).message, f"{parent.id}.1" in virtual.broker.sent

    virtual.lifecycle.apply(changes.cancel_queued(children[1].id, has_finalizer=False))
    reconciler.tick()

    assert (first, early) == ("1 of 2 done, 1 cancelled", False)
    assert virtual.now(parent).progress == 60.0
    assert virtual.broker.sent[-1] == f"{parent.id}.1"


def test_a_job_whose_stage_is_gone_fails(virtual: VirtualPlatform, reconciler: Reconciler) -> None:
    job = virtual.submit(is_published=False)
    virtual.rows.rows[job.id]["stage"] = "long_gone"

    reconciler.tick()

    found = virtual.now(job)
    assert found.error is not None
    assert (found.state, found.error.type) == (JobState.FAILED, "NotFound")
    assert virtual.broker.sent == []


def test_a_finalizer_that_never_succeeds_is_given_up(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    def fail(work: Work, *_: object) -> Json:
        raise PermanentError("bad input")

    def fail_to_clean_up(work: Work, *_: object) -> Json:
        raise RetryableError("the disk is away")

    job = virtual.submit()
    virtual.run(job, fail)
    for _ in range(2 * FINALIZER_RUNS):
        virtual.clock.turn(GRACE_S + 1)
        reconciler.tick()
        own = ticket.finalizer_ticket(virtual.now(job), task="probe_finalizer")
        virtual.runner.run_finalizer(own, fail_to_clean_up, worker="w@here")

    assert virtual.rows.rows[job.id]["finalizer_runs"] == FINALIZER_RUNS
    assert not virtual.rows.rows[job.id]["finalizer_due"]
    assert virtual.runner.run_finalizer(own, never, worker="w@here").kind == "not_ours"


def test_a_job_of_an_unknown_pipeline_does_not_stop_the_others(
    virtual: VirtualPlatform, reconciler: Reconciler
) -> None:
    known, unknown = virtual.submit(), virtual.submit()
    virtual.rows.rows[unknown.id]["pipeline"] = "of another version"
    virtual.broker.sent.clear()
    virtual.clock.turn(GRACE_S + 1)

    reconciler.tick()

    assert virtual.broker.sent == [f"{known.id}.0"]
    assert virtual.now(unknown).state is JobState.QUEUED
