"""Jobs that jobs submit, over each database: counted, waited for, cancelled with their parent."""

from datetime import timedelta

import pytest

from app.errors import Superseded
from app.jobs.model import changes
from app.jobs.model.job import Job, JobState
from app.jobs.model.ticket import Hold
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from tests.clocks import ManualClock
from tests.integration.jobs import acts
from tests.integration.jobs.acts import NOW


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def keyed(number: int) -> str:
    return f"entry {number}"


def family(platform: Platform, jobs: Jobs, *, children: int = 3) -> tuple[Job, list[Job]]:
    """A job that runs, and those that it has submitted."""
    parent = acts.claimed(platform, jobs.submit(acts.request()))
    requests = [acts.request(idempotency_key=keyed(number)) for number in range(children)]
    return parent, list(jobs.submit_children(requests, parent=acts.hold(parent)))


def waiting(platform: Platform, jobs: Jobs, *, children: int = 3) -> tuple[Job, list[Job]]:
    """A job whose second stage waits for what the first one has submitted."""
    running, submitted = family(platform, jobs, children=children)
    parent = acts.apply(
        platform,
        changes.advance(
            acts.hold(running),
            next_stage="probe_second",
            output=None,
            progress=50.0,
            waits_for_children=True,
        ),
    )
    assert parent is not None
    return parent, submitted


def finish(platform: Platform, job: Job) -> None:
    running = acts.claimed(platform, job)
    assert acts.apply(platform, changes.succeed(acts.hold(running), result=None)) is not None


def due(platform: Platform) -> list[str]:
    return [job.id for job in acts.due_jobs(platform).take_due(["probe"], now=NOW, limit=10)]


def states(jobs: Jobs, found: list[Job]) -> list[JobState]:
    return [jobs.get(job.id).state for job in found]


def test_a_parent_goes_on_when_the_last_child_is_over(platform: Platform, jobs: Jobs) -> None:
    parent, [one, two, three] = waiting(platform, jobs)
    finish(platform, one)
    jobs.cancel(two.id)
    assert due(platform) == []
    finish(platform, three)
    assert due(platform) == [parent.id]
    assert due(platform) == []


def test_a_parent_without_children_goes_on_at_once(platform: Platform, jobs: Jobs) -> None:
    parent, _ = waiting(platform, jobs, children=0)
    assert due(platform) == [parent.id]


def test_children_are_counted_by_state(platform: Platform, jobs: Jobs) -> None:
    parent, [one, two, _] = waiting(platform, jobs)
    finish(platform, one)
    acts.claimed(platform, two)
    assert jobs.counts_of_children([parent.id, one.id]) == {
        parent.id: {
            JobState.QUEUED: 1,
            JobState.RUNNING: 1,
            JobState.SUCCEEDED: 1,
            JobState.FAILED: 0,
            JobState.CANCELLED: 0,
        }
    }


def test_the_reconciler_tells_how_far_the_children_are(platform: Platform, jobs: Jobs) -> None:
    parent, [one, two, _] = waiting(platform, jobs)
    reconciler = platform.reconciler()
    finish(platform, one)
    reconciler.tick()
    first = jobs.get(parent.id)
    acts.claimed(platform, two)
    reconciler.tick()
    second = jobs.get(parent.id)
    seen = platform.events.latest([parent.id])[parent.id]
    assert (first.message, second.message) == ("1 of 3 done", "1 of 3 done, 1 running")
    assert 50 < first.progress == second.progress == seen.progress < 60
    assert seen.message == second.message


def test_a_stage_that_runs_again_finds_its_children(platform: Platform, jobs: Jobs) -> None:
    parent, submitted = family(platform, jobs)
    requests = [acts.request(idempotency_key=keyed(number)) for number in range(4)]
    again = jobs.submit_children(requests, parent=acts.hold(parent))
    assert [job.id for job in again][:3] == [job.id for job in submitted]
    assert platform.jobs.counts_of_children([parent.id])[parent.id][JobState.QUEUED] == 4


def test_a_run_that_was_superseded_submits_nothing(platform: Platform, jobs: Jobs) -> None:
    parent, _ = family(platform, jobs, children=0)
    old = Hold(job_id=parent.id, fence=parent.fence - 1)
    with pytest.raises(Superseded):
        jobs.submit_children([acts.request()], parent=old)
    jobs.cancel(parent.id)
    with pytest.raises(Superseded):
        jobs.submit_children([acts.request()], parent=acts.hold(parent))
    assert jobs.counts_of_children([parent.id]) == {}


def test_a_cancel_reaches_every_child(platform: Platform, jobs: Jobs) -> None:
    parent, [queued, running, over] = waiting(platform, jobs)
    finish(platform, over)
    acts.claimed(platform, running)
    jobs.cancel(parent.id)
    found = states(jobs, [parent, queued, running, over])
    assert found == ["cancelled", "cancelled", "running", "succeeded"]
    assert jobs.get(running.id).cancel_requested


def test_a_parent_that_is_cancelled_while_it_submits_takes_its_children_along(
    platform: Platform, jobs: Jobs
) -> None:
    parent, submitted = family(platform, jobs)
    jobs.cancel(parent.id)
    hold = acts.hold(parent)
    assert acts.apply(platform, changes.cancel(hold, progress=0, has_finalizer=False)) is not None
    # Here the worker dies: nobody has told the children.
    platform.reconciler().tick()
    assert set(states(jobs, submitted)) == {JobState.CANCELLED}


def test_a_lost_parent_with_a_cancel_takes_its_children_along(
    platform: Platform, jobs: Jobs, clock: ManualClock
) -> None:
    parent, submitted = family(platform, jobs)
    jobs.cancel(parent.id)
    clock.at = NOW + timedelta(hours=1)
    reconciler = platform.reconciler()
    for _ in range(2):  # the first round cancels the parent, and the children of cancelled ones
        reconciler.tick()
    assert states(jobs, [parent]) == [JobState.CANCELLED]
    assert set(states(jobs, submitted)) == {JobState.CANCELLED}


def test_grandchildren_are_cancelled_too(platform: Platform, jobs: Jobs) -> None:
    parent, [child, *_] = waiting(platform, jobs)
    running = acts.claimed(platform, child)
    [grandchild] = jobs.submit_children([acts.request()], parent=acts.hold(running))
    acts.apply(
        platform,
        changes.advance(
            acts.hold(running),
            next_stage="probe_second",
            output=None,
            progress=50.0,
            waits_for_children=True,
        ),
    )
    jobs.cancel(parent.id)
    platform.reconciler().tick()
    assert set(states(jobs, [child, grandchild])) == {JobState.CANCELLED}


def test_only_children_that_had_begun_are_finalized(platform: Platform, jobs: Jobs) -> None:
    parent, [fresh, begun, _] = waiting(platform, jobs)
    running = acts.claimed(platform, begun)
    hold = acts.hold(running)
    assert acts.apply(platform, changes.retry_later(hold, error=acts.ERROR, progress=0, at=None))
    jobs.cancel(parent.id)
    taken = acts.due_jobs(platform).take_finalizers(
        ["probe"], published_before=NOW, now=NOW, limit=10
    )
    finalized = {job.id for job, _ in taken}
    assert begun.id in finalized
    assert fresh.id not in finalized


def test_a_parent_is_taken_up_again_with_its_children(platform: Platform, jobs: Jobs) -> None:
    parent, [one, two, three] = waiting(platform, jobs)
    finish(platform, one)
    jobs.cancel(parent.id)
    jobs.retry(parent.id)
    assert states(jobs, [parent, one, two, three]) == ["queued", "succeeded", "queued", "queued"]
