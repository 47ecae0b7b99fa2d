"""Jobs as rows: accepted, found, listed, counted."""

from datetime import UTC, datetime, timedelta

import pytest

from app.errors import InvalidInput, NotFound
from app.jobs.model.job import FollowUp, Job, JobId, JobRequest, JobState
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from app.jobs.store import rows
from app.jobs.store.job_store import IdempotencyConflict, JobFilter
from tests.integration.jobs import acts
from tests.sites import receiver as receivers


def submit(jobs: Jobs, count: int) -> list[Job]:
    return list(jobs.submit_many([acts.request() for _ in range(count)]))


@pytest.fixture
def webhook_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_WEBHOOK_SECRETS", receivers.SECRET)


@pytest.mark.usefixtures("webhook_secret")
def test_submit_keeps_every_field(jobs: Jobs) -> None:
    follow_up = FollowUp(kind="probe", params={"name": "{{id}}"})
    later = datetime.now(UTC) + timedelta(hours=1)

    job = jobs.submit(
        acts.request(
            {"first": ["ok"]},
            priority=2,
            not_before=later,
            max_attempts=7,
            idempotency_key="key",
            labels={"team": "blue", "tier": "1"},
            webhook_url="https://example.com/hook",
            on_success=follow_up,
        )
    )

    found = jobs.get(job.id)
    assert found == job
    assert found.params == {"plan": {"first": ["ok"]}}
    assert (found.state, found.stage, found.fence) == (JobState.QUEUED, "probe_first", 0)
    assert (found.priority, found.not_before, found.max_attempts) == (2, later, 7)
    assert found.labels == {"team": "blue", "tier": "1"}
    assert found.webhook_url == "https://example.com/hook"
    assert (found.on_success, found.on_failure) == (follow_up, None)


@pytest.mark.parametrize(
    "text", ["a\x00b", "half \ud800 pair", "snow \N{SNOWMAN}", "quote \" ' \\", "%s %(x)s :x"]
)
def test_submit_keeps_any_text_in_parameters(jobs: Jobs, text: str) -> None:
    job = jobs.submit(JobRequest(pipeline="probe", params={"name": text}))

    assert jobs.get(job.id).params == {"name": text}


def test_submit_refuses_what_json_cannot_hold(jobs: Jobs) -> None:
    with pytest.raises(InvalidInput):
        jobs.submit(JobRequest(pipeline="probe", params={"name": float("nan")}))


def test_submit_of_an_unknown_pipeline_is_refused(jobs: Jobs) -> None:
    with pytest.raises(NotFound):
        jobs.submit(JobRequest(pipeline="nothing", params={}))


def test_same_key_and_request_give_the_first_job(jobs: Jobs) -> None:
    first = jobs.submit(acts.request(idempotency_key="order-1"))
    second = jobs.submit(acts.request(idempotency_key="order-1"))

    assert second == first
    assert len(jobs.list().jobs) == 1


def test_same_key_for_another_request_is_a_conflict(jobs: Jobs) -> None:
    jobs.submit(acts.request(idempotency_key="order-1"))

    with pytest.raises(IdempotencyConflict):
        jobs.submit(acts.request({"first": ["retryable"]}, idempotency_key="order-1"))


def test_submit_many_with_a_key_twice_makes_one_job(jobs: Jobs) -> None:
    one, two, other = jobs.submit_many(
        [
            acts.request(idempotency_key="a"),
            acts.request(idempotency_key="a"),
            acts.request(idempotency_key="b"),
        ]
    )

    assert one.id == two.id != other.id


def test_submit_many_is_all_or_nothing(jobs: Jobs) -> None:
    jobs.submit(acts.request(idempotency_key="a"))

    with pytest.raises(IdempotencyConflict):
        jobs.submit_many([acts.request(), acts.request(priority=1, idempotency_key="a")])

    assert len(jobs.list().jobs) == 1


def test_submit_many_keeps_the_order_of_the_requests(jobs: Jobs) -> None:
    names = [f"job {number}" for number in range(50)]

    made = jobs.submit_many([JobRequest(pipeline="probe", params={"name": n}) for n in names])

    assert [job.params["name"] for job in made] == names
    assert [job.id for job in made] == sorted(job.id for job in made)


def test_get_of_an_unknown_job_is_not_found(jobs: Jobs) -> None:
    with pytest.raises(NotFound):
        jobs.get(JobId("no such id"))


def test_list_pages_through_all_jobs_newest_first(jobs: Jobs) -> None:
    made = submit(jobs, 7)

    first = jobs.list(limit=3)
    second = jobs.list(cursor=first.next_cursor, limit=3)
    third = jobs.list(cursor=second.next_cursor, limit=3)

    pages = [*first.jobs, *second.jobs, *third.jobs]
    assert [job.id for job in pages] == [job.id for job in reversed(made)]
    assert third.next_cursor is None


def test_list_of_exactly_one_page_has_no_next(jobs: Jobs) -> None:
    submit(jobs, 3)

    assert jobs.list(limit=3).next_cursor is None


def test_list_filters_by_all_that_is_asked(jobs: Jobs) -> None:
    parent = jobs.submit(acts.request())
    wanted = jobs.submit(acts.request(parent_id=parent.id, labels={"team": "blue", "tier": "1"}))
    jobs.submit(acts.request(parent_id=parent.id, labels={"team": "red", "tier": "1"}))
    jobs.submit(acts.request(labels={"team": "blue", "tier": "1"}))

    found = jobs.list(
        JobFilter(
            pipeline="probe",
            states=frozenset({JobState.QUEUED, JobState.FAILED}),
            parent_id=parent.id,
            labels={"team": "blue", "tier": "1"},
            is_dead_lettered=False,
        )
    )

    assert [job.id for job in found.jobs] == [wanted.id]


def test_list_filters_by_state(jobs: Jobs) -> None:
    queued, cancelled = submit(jobs, 2)
    jobs.cancel(cancelled.id)

    found = jobs.list(JobFilter(states=frozenset({JobState.CANCELLED})))

    assert [job.id for job in found.jobs] == [cancelled.id] != [queued.id]


def test_list_filters_by_time_of_creation(jobs: Jobs) -> None:
    job = jobs.submit(acts.request())
    before = job.created_at - timedelta(seconds=1)
    after = job.created_at + timedelta(seconds=1)

    within = jobs.list(JobFilter(created_from=before, created_before=after))
    earlier = jobs.list(JobFilter(created_before=before))
    later = jobs.list(JobFilter(created_from=after))

    assert [len(page.jobs) for page in (within, earlier, later)] == [1, 0, 0]


def test_ids_sort_by_the_moment_they_were_made() -> None:
    now = datetime.now(UTC)

    assert (
        rows.first_id_at(now - timedelta(seconds=1))
        < rows.new_id()
        < rows.first_id_at(now + timedelta(seconds=60))
    )


def test_counts_name_every_state(jobs: Jobs, platform: Platform) -> None:
    _, running, cancelled = submit(jobs, 3)
    acts.claimed(platform, running)
    jobs.cancel(cancelled.id)

    assert jobs.counts_by_state() == {
        JobState.QUEUED: 1,
        JobState.RUNNING: 1,
        JobState.SUCCEEDED: 0,
        JobState.FAILED: 0,
        JobState.CANCELLED: 1,
    }


def test_counts_of_children_are_those_of_their_parent(jobs: Jobs) -> None:
    parent = jobs.submit(acts.request())
    jobs.submit_many([acts.request(parent_id=parent.id) for _ in range(3)])

    counted = jobs.counts_by_state(JobFilter(parent_id=parent.id))

    assert counted[JobState.QUEUED] == 3
