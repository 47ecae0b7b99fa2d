"""Leases under a database that goes away and comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.errors import Cancelled, CeleriacError, LimitExceeded, StorageUnavailable, Superseded
from app.jobs.model import changes, ticket
from app.jobs.model.clock import Clock
from app.jobs.model.job import Job
from app.jobs.model.ticket import Hold
from app.jobs.model.time_limits import TimeLimits
from app.jobs.platform import Platform
from app.jobs.run.lease_renewal import LeaseRenewer, RenewedLease
from app.jobs.run.stop import Stop
from app.jobs.service import Jobs
from app.jobs.store.leases import LeaseStore
from app.storage import schema
from app.storage.engine import Database
from tests.integration.jobs import acts
from tests.waiting import eventually

LEASE_S = 1.2
LONG = TimeLimits(soft_s=1000, hard_s=1000)


class Outage:
    """A database that can be switched off."""

    def __init__(self, database: Database) -> None:
        self.is_away = False
        self.asked = 0
        self._database = database

    @contextmanager
    def read(self) -> Iterator[object]:
        self._check()
        with self._database.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[object]:
        self._check()
        with self._database.write() as connection:
            yield connection

    def _check(self) -> None:
        if self.is_away:
            self.asked += 1
            raise StorageUnavailable("switched off")


@pytest.fixture
def outage(platform: Platform) -> Outage:
    return Outage(platform.database)


@pytest.fixture
def renewer(outage: Outage) -> Iterator[LeaseRenewer]:
    renewer = LeaseRenewer(LeaseStore(outage), lease_s=LEASE_S, clock=Clock())  # type: ignore[arg-type]  # like one
    yield renewer
    renewer.close()


@pytest.fixture
def held(platform: Platform, jobs: Jobs) -> Job:
    """A job that was claimed just now."""
    job = jobs.submit(acts.request())
    claimant = acts.claimant(lease_s=LEASE_S)
    claimed = acts.apply(
        platform, changes.claim(ticket.stage_ticket(job), claimant), now=datetime.now(UTC)
    )
    assert claimed is not None
    return claimed


def nothing() -> None:
    """Nothing to show."""


def renewed(
    job: Job, *, limits: TimeLimits = LONG, on_hard_limit: Callable[[], None] = nothing
) -> RenewedLease:
    return RenewedLease(
        hold=Hold(job_id=job.id, fence=job.fence),
        stop=Stop(),
        limits=limits,
        on_tick=nothing,
        on_hard_limit=on_hard_limit,
        began_at=(now_s := time.monotonic()),
        renewed_at=now_s,
    )


def lease_until(platform: Platform, job: Job) -> datetime:
    with platform.database.read() as connection:
        query = select(schema.jobs.c.lease_until).where(schema.jobs.c.id == job.id)
        until = connection.execute(query).scalar_one()
    assert isinstance(until, datetime)
    return until


def test_a_lease_is_renewed_for_as_long_as_the_work_goes_on(
    platform: Platform, renewer: LeaseRenewer, held: Job
) -> None:
    began = lease_until(platform, held)
    one = renewed(held)

    with renewer.renewing(one):
        eventually(lambda: (lease_until(platform, held) - began).total_seconds() > 2 * LEASE_S)

    assert one.stop.error is None


def test_an_outage_shorter_than_the_lease_is_not_noticed(
    platform: Platform, renewer: LeaseRenewer, held: Job, outage: Outage
) -> None:
    one = renewed(held)
    with renewer.renewing(one):
        outage.is_away = True
        eventually(lambda: outage.asked > 2, why="the renewer keeps trying")
        outage.is_away = False
        back_at = time.monotonic()
        eventually(lambda: one.renewed_at > back_at)

    assert one.stop.error is None


def test_a_lease_that_cannot_be_renewed_stops_its_work(
    renewer: LeaseRenewer, held: Job, outage: Outage
) -> None:
    one = renewed(held)
    outage.is_away = True

    with renewer.renewing(one):
        error = eventually(lambda: one.stop.error)

    assert isinstance(error, Superseded)


def test_a_lost_lease_stops_its_work(platform: Platform, renewer: LeaseRenewer, held: Job) -> None:
    one = renewed(held)
    with renewer.renewing(one):
        acts.apply(platform, changes.succeed(one.hold, result=None), now=acts.NOW)
        error = eventually(lambda: one.stop.error)

    assert isinstance(error, Superseded)


def test_a_cancel_reaches_the_work(renewer: LeaseRenewer, jobs: Jobs, held: Job) -> None:
    one = renewed(held)
    with renewer.renewing(one):
        jobs.cancel(held.id)
        error = eventually(lambda: one.stop.error, within_s=5)

    assert isinstance(error, Cancelled)


def test_limits_stop_the_work_and_then_end_it(renewer: LeaseRenewer, held: Job) -> None:
    ended: list[CeleriacError | None] = []
    one = renewed(
        held,
        limits=TimeLimits(soft_s=0.3, hard_s=0.6),
        on_hard_limit=lambda: ended.append(one.stop.error),
    )

    with renewer.renewing(one):
        eventually(lambda: ended)

    assert isinstance(ended[0], LimitExceeded)


def test_one_thread_keeps_many(platform: Platform, renewer: LeaseRenewer, jobs: Jobs) -> None:
    claimed = [
        acts.claimed(platform, job, datetime.now(UTC))
        for job in jobs.submit_many([acts.request() for _ in range(20)])
    ]
    many = [renewed(job) for job in claimed]

    with ExitStack() as stack:
        for one in many:
            stack.enter_context(renewer.renewing(one))
        eventually(lambda: all(one.renewed_at > one.began_at for one in many))

    assert {one.stop.error for one in many} == {None}
