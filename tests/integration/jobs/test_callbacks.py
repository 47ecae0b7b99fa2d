"""Callbacks are recorded with the end of their job, once, and reach the broker whatever happens."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import celery_app
from app.errors import InvalidInput, NotFound
from app.jobs.model import changes, job_document, retry
from app.jobs.model.changes import Change
from app.jobs.model.job import FollowUp, Job, JobError, JobId, JobRequest, JobState
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform, of
from app.jobs.service import Jobs
from app.jobs.store import callbacks
from app.jobs.store.job_store import JobFilter
from app.pipelines.callback import tasks
from app.pipelines.callback.tasks import PIPELINE as CALLBACK
from app.pipelines.callback.tasks import CallbackParams
from app.pipelines.notification.tasks import PIPELINE as NOTIFICATION
from app.settings import Settings
from app.testing import RecordedWork
from tests import probe
from tests.clocks import ManualClock
from tests.integration.environments import settings_of
from tests.integration.jobs import acts
from tests.integration.jobs.conftest import opened
from tests.sites import receiver as receivers

URL = "https://example.com/hook"
ERROR = JobError(type="PermanentError", message="never", retryable=False, attempt=1)
TASK = FollowUp(task="shop.mark_done", params={"order": 7})
KIND = FollowUp(
    kind="notification",
    params={"user_id": "ada", "title": "{{pipeline}} has failed", "message": "{{error.message}}"},
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def platform(
    redis_url: str,
    database_url: str,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    """The platform of a client that knows callbacks and notifications: nobody works here."""
    settings = {
        **settings_of(tmp_path, redis_url=redis_url, database_url=database_url),
        "NOTIFY_WEBHOOK_SECRETS": receivers.SECRET,
        "CELERIAC_CALLBACK_TASKS": "shop.*",
    }
    registry = Registry([probe.PIPELINE, CALLBACK, NOTIFICATION])
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with opened(Settings(), registry, clock=clock) as found:
        yield found


def wishing() -> JobRequest:
    return acts.request(webhook_url=URL, on_success=TASK, on_failure=KIND, labels={"team": "shop"})


def failed(platform: Platform, job: Job) -> Job | None:
    """The job, failed by the worker that has claimed it."""
    return acts.apply(platform, failure(job), now=datetime.now(UTC))


def failure(job: Job) -> Change:
    return changes.fail(acts.hold(job), error=ERROR, is_dead_lettered=False, has_finalizer=False)


def recorded(platform: Platform) -> list[Job]:
    found = acts.listed(platform, JobFilter(pipeline=callbacks.KIND))
    return sorted(found, key=lambda job: str(job.params["target"]))


def published(platform: Platform) -> list[str]:
    """The jobs whose messages wait in the queue."""
    raw: Any = platform.redis.lrange("notifications\x06\x165", 0, -1)
    return sorted(json.loads(message)["headers"]["celeriac_job_id"] for message in raw)


def test_the_end_of_a_job_records_what_it_sets_off(platform: Platform, jobs: Jobs) -> None:
    job = acts.claimed(platform, jobs.submit(wishing()), datetime.now(UTC))

    before = recorded(platform)
    ended = failed(platform, job)

    assert ended is not None
    assert before == []
    on_failure, webhook = recorded(platform)
    assert [on_failure.params["target"], webhook.params["target"]] == ["on_failure", "webhook"]
    assert {one.id for one in callbacks.due(ended)} == {on_failure.id, webhook.id}
    assert webhook.params == {
        "job_id": job.id,
        "target": "webhook",
        "state": "failed",
        "attempt": 1,
        "error": {"type": "PermanentError", "message": "never", "retryable": False, "attempt": 1},
        "finished_at": ended.finished_at.isoformat() if ended.finished_at else None,
    }
    assert (webhook.state, webhook.stage) == (JobState.QUEUED, "deliver_callback")
    assert webhook.labels == {"team": "shop", "callback-of": job.id}


def test_a_worker_that_lost_its_job_records_nothing(platform: Platform, jobs: Jobs) -> None:
    job = acts.claimed(platform, jobs.submit(wishing()), datetime.now(UTC))
    acts.apply(platform, changes.give_back(acts.hold(job), error=ERROR), now=datetime.now(UTC))
    acts.claimed(platform, jobs.get(job.id), datetime.now(UTC))

    assert failed(platform, job) is None
    assert recorded(platform) == []


def test_success_is_followed_by_what_follows_success(platform: Platform, jobs: Jobs) -> None:
    job = acts.claimed(platform, jobs.submit(wishing()), datetime.now(UTC))

    ended = acts.apply(
        platform, changes.succeed(acts.hold(job), result={"n": 1}), now=datetime.now(UTC)
    )

    assert ended is not None
    assert [one.params["target"] for one in recorded(platform)] == ["on_success", "webhook"]


def test_a_cancelled_job_tells_its_webhook_alone(platform: Platform, jobs: Jobs) -> None:
    job = jobs.submit(wishing())

    jobs.cancel(job.id)

    [webhook] = recorded(platform)
    assert (webhook.params["target"], webhook.params["state"]) == ("webhook", "cancelled")
    assert published(platform) == [webhook.id]


def test_each_end_of_a_job_has_callbacks_of_its_own(platform: Platform, jobs: Jobs) -> None:
    job = acts.claimed(platform, jobs.submit(wishing()), datetime.now(UTC))
    failed(platform, job)
    jobs.retry(job.id)
    failed(platform, acts.claimed(platform, jobs.get(job.id), datetime.now(UTC)))

    found = recorded(platform)

    assert [one.params["target"] for one in found] == ["on_failure"] * 2 + ["webhook"] * 2
    assert len({one.id for one in found}) == 4


def test_a_dead_worker_ends_its_job_with_callbacks(platform: Platform, jobs: Jobs) -> None:
    now = datetime.now(UTC)
    job = acts.claimed(platform, jobs.submit(wishing()), now)
    later = now + timedelta(seconds=60)
    lost = replace(job, deliveries=platform.policy.max_deliveries - 1)
    verdict = retry.after_lost_lease(lost, policy=platform.policy)
    acts.apply(platform, changes.expire(lost, verdict, has_finalizer=False), now=later)

    assert [one.params["target"] for one in recorded(platform)] == ["on_failure", "webhook"]


def test_what_the_ender_did_not_publish_is_published_for_it(
    platform: Platform, jobs: Jobs, clock: ManualClock
) -> None:
    job = acts.claimed(platform, jobs.submit(wishing()), datetime.now(UTC))
    failed(platform, job)  # and it dies before it publishes anything
    before = published(platform)
    clock.turn(60)

    platform.reconciler().tick()

    assert before == []
    assert published(platform) == sorted(one.id for one in recorded(platform))


def test_what_the_broker_lost_is_published_again_and_nothing_twice(
    platform: Platform, jobs: Jobs, clock: ManualClock
) -> None:
    job = acts.claimed(platform, jobs.submit(wishing()), datetime.now(UTC))
    assert platform.lifecycle.apply(failure(job)) is not None
    told = published(platform)
    clock.turn(60)
    platform.reconciler().tick()
    once = published(platform)
    platform.redis.flushall()

    platform.reconciler().tick()

    assert told == once == published(platform)
    assert len(told) == 2


def callback_of(
    platform: Platform, jobs: Jobs, **wish: FollowUp
) -> tuple[CallbackParams, RecordedWork]:
    """The callback of a job that has succeeded, and the work where it is worked on."""
    job = acts.claimed(platform, jobs.submit(acts.request(None, **wish)), datetime.now(UTC))
    acts.apply(
        platform, changes.succeed(acts.hold(job), result={"pages": 3}), now=datetime.now(UTC)
    )
    [found] = recorded(platform)
    return CallbackParams.model_validate(found.params), RecordedWork(
        platform=platform, key=found.id
    )


def test_a_task_gets_the_job_that_it_follows(platform: Platform, jobs: Jobs) -> None:
    params, work = callback_of(
        platform,
        jobs,
        on_success=FollowUp(
            task="shop.mark_done", params={"pages": "{{result.pages}}"}, queue="orders"
        ),
    )

    first, again = tasks.run_callback(params, work), tasks.run_callback(params, work)

    raw: Any = platform.redis.lrange("orders", 0, -1)  # which stock workers read as well
    messages = [json.loads(message) for message in raw]
    [job], named, _ = json.loads(base64.b64decode(messages[0]["body"]))
    assert first == again
    assert {message["headers"]["id"] for message in messages} == {first.task_id}
    assert messages[0]["headers"]["task"] == "shop.mark_done"
    assert named == {"pages": 3}
    assert job == json.loads(json.dumps(job_document.job_json(jobs.get(JobId(params.job_id)))))


def test_a_job_that_follows_is_submitted_once(platform: Platform, jobs: Jobs) -> None:
    wish = {"user_id": "ada", "title": "{{result.pages}} pages", "message": "of {{pipeline}}"}
    params, work = callback_of(
        platform, jobs, on_success=FollowUp(kind="notification", params=wish)
    )

    first, again = tasks.run_callback(params, work), tasks.run_callback(params, work)

    [job] = acts.listed(platform, JobFilter(pipeline="notification"))
    assert (first, first.job_id) == (again, job.id)
    assert (job.params["title"], job.params["message"]) == ("3 pages", "of probe")
    assert job.labels == {"callback-of": params.job_id}


def test_a_part_that_the_job_does_not_have_is_named(platform: Platform, jobs: Jobs) -> None:
    wish = {"user_id": "ada", "title": "{{result.title}}", "message": ""}
    params, work = callback_of(
        platform, jobs, on_success=FollowUp(kind="notification", params=wish)
    )

    with pytest.raises(InvalidInput, match=r"result\.title"):
        tasks.run_callback(params, work)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        pytest.param({"on_success": FollowUp(kind="nothing")}, NotFound, id="no such kind"),
        pytest.param({"on_success": FollowUp(kind="callback")}, NotFound, id="our own kind"),
        pytest.param(
            {"on_failure": FollowUp(kind="notification", params={"user_id": "ada"})},
            InvalidInput,
            id="parameters that do not fit",
        ),
        pytest.param(
            {"on_success": FollowUp(task="os.system")}, InvalidInput, id="a task nobody allows"
        ),
    ],
)
def test_a_wish_that_can_never_be_fulfilled_is_refused(
    sqlite_platform: Platform, wish: dict[str, FollowUp], why: type[Exception]
) -> None:
    with pytest.raises(why):
        sqlite_platform.jobs.submit(acts.request(None, **wish))


@pytest.fixture
def sqlite_platform(
    redis_url: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    monkeypatch.setenv("CELERY_BROKER_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    registry = Registry([probe.PIPELINE, CALLBACK, NOTIFICATION])
    opened = of(celery_app.create(Settings(), registry))
    yield opened
    opened.close()
    opened.celery.close()


def test_without_a_secret_no_webhook_is_promised(sqlite_platform: Platform) -> None:
    with pytest.raises(InvalidInput, match="NOTIFY_WEBHOOK_SECRETS"):
        sqlite_platform.jobs.submit(acts.request(webhook_url=URL))
