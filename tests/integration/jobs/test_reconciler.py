"""The reconciler's rounds over real databases and a real broker, with a clock that tests turn."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from app.errors import RetryableError
from app.jobs.maintenance.reconciler import Reconciler
from app.jobs.model import changes, retry, ticket
from app.jobs.model.job import Job, JobError, JobState, RunOutcome
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from app.queues import PRIORITIES
from tests.clocks import ManualClock
from tests.integration.jobs import acts

ERROR = JobError(type="RetryableError", message="try again", retryable=True, attempt=1)
GRACE_S = 2.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def reconciler(platform: Platform, clock: ManualClock) -> Reconciler:
    return platform.reconciler()


def messages(platform: Platform, queue: str = "default") -> list[str]:
    """Task ids of the messages that wait in the queue, next one first."""
    found: list[str] = []
    for priority in PRIORITIES:
        key = queue if priority == 0 else f"{queue}\x06\x16{priority}"
        raw: Any = platform.redis.lrange(key, 0, -1)
        found += [json.loads(message)["headers"]["id"] for message in reversed(raw)]
    return found


def test_a_job_in_the_queue_is_left_alone(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    job = jobs.submit(acts.request())
    for _ in range(5):
        clock.turn(GRACE_S * 2)
        reconciler.tick()

    assert messages(platform) == [ticket.task_id(job.id, 0)]


def test_a_delayed_job_is_published_when_its_time_comes(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    job = jobs.submit(acts.request(not_before=clock.now() + timedelta(seconds=60)))
    clock.turn(59)
    reconciler.tick()
    early = messages(platform)

    clock.turn(2)
    reconciler.tick()

    assert early == []
    assert messages(platform) == [ticket.task_id(job.id, 0)]


def test_jobs_are_published_in_the_order_of_their_priorities(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    at = clock.now() + timedelta(seconds=1)
    made = [jobs.submit(acts.request(priority=p, not_before=at)) for p in (9, 0, 5, 0)]

    clock.turn(2)
    reconciler.tick()

    ranked = sorted(made, key=lambda job: (job.priority, job.id))
    assert messages(platform) == [ticket.task_id(job.id, 0) for job in ranked]


def test_what_the_broker_lost_is_published_again(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    made = jobs.submit_many([acts.request() for _ in range(20)])
    platform.redis.flushall()

    clock.turn(GRACE_S + 1)
    reconciler.tick()

    assert sorted(messages(platform)) == sorted(ticket.task_id(job.id, 0) for job in made)


def test_two_reconcilers_publish_a_job_once(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    other = platform.reconciler()
    jobs.submit_many([acts.request() for _ in range(20)])
    jobs.submit_many([acts.request(not_before=clock.now() + timedelta(seconds=1))] * 20)
    platform.redis.flushall()
    clock.turn(GRACE_S + 1)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda one: one.tick(), (reconciler, other)))

    found = messages(platform)
    assert len(found) == len(set(found)) == 40


def test_a_message_that_a_dead_worker_fetched_is_published_again(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    job = jobs.submit(acts.request())
    fetch(platform, at=clock.now())
    clock.turn(GRACE_S - 1)
    reconciler.tick()
    early = messages(platform)

    clock.turn(2)
    reconciler.tick()

    assert early == []
    assert messages(platform) == [ticket.task_id(job.id, 0)]


def fetch(platform: Platform, *, at: datetime) -> None:
    """What a worker of kombu does that dies then: the message moves from its list to `unacked`."""
    raw: Any = platform.redis.rpop("default\x06\x165")
    tag = json.loads(raw)["properties"]["delivery_tag"]
    platform.redis.zadd("unacked_index", {tag: at.timestamp()})
    platform.redis.hset("unacked", tag, json.dumps([json.loads(raw), "", "default"]))


def test_a_publish_that_failed_is_made_up_for(
    platform: Platform,
    jobs: Jobs,
    reconciler: Reconciler,
    clock: ManualClock,
    redis_url: str,
) -> None:
    with full(redis_url):
        accepted = jobs.submit(acts.request())
    assert messages(platform) == []

    reconciler.tick()

    assert accepted.state is JobState.QUEUED
    assert messages(platform) == [ticket.task_id(accepted.id, 0)]


@contextmanager
def full(redis_url: str) -> Iterator[None]:
    """Redis answers, and takes nothing more."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1")
        yield
        client.config_set("maxmemory", "0")


@pytest.fixture
def lost(platform: Platform, jobs: Jobs, clock: ManualClock) -> Job:
    """A job whose worker died an hour ago."""
    return acts.claimed(platform, jobs.submit(acts.request()), clock.now() - timedelta(hours=1))


def test_an_expired_lease_queues_the_job_again(
    platform: Platform, reconciler: Reconciler, lost: Job
) -> None:
    reconciler.tick()

    found = platform.jobs.get(lost.id)
    assert (found.state, found.attempt, found.deliveries) == (JobState.QUEUED, 1, 1)
    assert messages(platform)[-1] == ticket.task_id(lost.id, 1)
    [run] = platform.jobs.runs(lost.id)
    assert run.outcome is RunOutcome.LOST


def test_a_lease_that_was_renewed_meanwhile_is_left_alone(
    platform: Platform, lost: Job, clock: ManualClock
) -> None:
    until = clock.now() + timedelta(minutes=1)
    acts.leases(platform).renew([acts.hold(lost)], until=until)

    platform.reconciler().tick()

    assert platform.jobs.get(lost.id).state is JobState.RUNNING


def test_after_a_sleep_of_the_machine_workers_may_renew_their_leases(
    platform: Platform, reconciler: Reconciler, lost: Job, clock: ManualClock
) -> None:
    clock.turn(3600)

    reconciler.tick()
    assert platform.jobs.get(lost.id).state is JobState.RUNNING

    clock.turn(1)
    reconciler.tick()
    clock.turn(1)
    reconciler.tick()
    assert platform.jobs.get(lost.id).state is JobState.RUNNING

    clock.turn(1)
    reconciler.tick()
    assert platform.jobs.get(lost.id).state is JobState.QUEUED


def test_the_lease_of_a_cancelled_job_ends_it(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, lost: Job
) -> None:
    jobs.cancel(lost.id)

    reconciler.tick()

    assert platform.jobs.get(lost.id).state is JobState.CANCELLED


def test_a_cancelled_job_that_its_worker_gives_back_is_not_queued_again(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, lost: Job
) -> None:
    jobs.cancel(lost.id)

    given = acts.apply(
        platform, changes.give_back(acts.hold(lost), error=ERROR), now=datetime.now(UTC)
    )
    reconciler.tick()

    assert given is None
    assert platform.jobs.get(lost.id).state is JobState.CANCELLED


def test_a_stage_that_killed_too_many_workers_is_poison(
    platform: Platform, reconciler: Reconciler, lost: Job, clock: ManualClock
) -> None:
    job = lost
    for _ in range(platform.settings.jobs.max_deliveries - 1):
        reconciler.tick()
        job = platform.jobs.get(job.id)
        acts.claimed(platform, job, clock.now() - timedelta(hours=1))

    reconciler.tick()

    dead = platform.jobs.get(job.id)
    assert dead.error is not None
    assert (dead.state, dead.error.type) == (JobState.FAILED, "PoisonedJob")
    assert dead.dead_lettered_at == clock.now()


def test_lost_workers_are_not_counted_as_attempts(
    platform: Platform, reconciler: Reconciler, lost: Job
) -> None:
    reconciler.tick()
    second = acts.claimed(platform, platform.jobs.get(lost.id))

    verdict = retry.after_error(
        RetryableError("x"),
        replace(second, max_attempts=2),
        policy=platform.policy,
        rng=lambda: 0.5,
    )

    assert (second.attempt, second.deliveries) == (2, 1)
    assert verdict.next is retry.Next.RETRY


def failed(platform: Platform, job: Job, *, now: datetime) -> Job:
    ended = acts.apply(
        platform,
        changes.fail(
            acts.hold(acts.claimed(platform, job)),
            error=ERROR,
            is_dead_lettered=False,
            has_finalizer=True,
        ),
        now=now,
    )
    assert ended is not None
    return ended


def test_a_finalizer_that_never_ran_is_published_again(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    job = failed(platform, jobs.submit(acts.request()), now=clock.now())
    clock.turn(GRACE_S + 1)

    reconciler.tick()

    assert messages(platform, "cleanup") == [ticket.task_id(job.id, job.fence)]


def test_a_finalizer_that_always_fails_is_given_up(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    job = failed(platform, jobs.submit(acts.request()), now=clock.now())
    for _ in range(8):
        clock.turn(GRACE_S + 1)
        reconciler.tick()
        run_finalizer_badly(platform, platform.jobs.get(job.id), now=clock.now())

    assert platform.jobs.runs(job.id)[-1].attempt == 5


def test_a_finalizer_that_was_given_up_holds_no_lease(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    """One row for ever would keep jobs from being found whose worker died."""
    job = failed(platform, jobs.submit(acts.request()), now=clock.now())
    for _ in range(8):  # each time its worker dies
        clock.turn(GRACE_S + 1)
        reconciler.tick()
        own = ticket.finalizer_ticket(platform.jobs.get(job.id), task="probe_finalizer")
        acts.apply(platform, changes.claim_finalizer(own, acts.claimant()), now=clock.now())
    clock.turn(GRACE_S + 1)
    reconciler.tick()
    clock.turn(GRACE_S + 1)

    assert acts.due_jobs(platform).expired(now=clock.now(), limit=10) == []


def run_finalizer_badly(platform: Platform, job: Job, *, now: datetime) -> None:
    own = ticket.finalizer_ticket(job, task="probe_finalizer")
    claimed = acts.apply(platform, changes.claim_finalizer(own, acts.claimant()), now=now)
    if claimed is not None:
        acts.apply(platform, changes.end_finalizer(acts.hold(claimed), error=ERROR), now=now)


def test_a_job_whose_stage_is_gone_fails_with_a_reason(
    platform: Platform, jobs: Jobs, reconciler: Reconciler, clock: ManualClock
) -> None:
    job = jobs.submit(acts.request(not_before=clock.now()))
    hold = acts.hold(acts.claimed(platform, job))
    acts.apply(
        platform,
        changes.advance(hold, next_stage="long_gone", output=1, progress=1),
        now=clock.now(),
    )
    clock.turn(GRACE_S + 1)

    reconciler.tick()

    found = platform.jobs.get(job.id)
    assert found.error is not None
    assert (found.state, found.error.type) == (JobState.FAILED, "NotFound")
