"""Jobs run on tickets that our processes have signed, and on nothing else's word."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.jobs.model import ticket
from app.jobs.model.job import Job, JobRequest, JobState
from app.jobs.publish import refusals
from app.jobs.publish.refusals import MessageRefusal
from tests.integration import running_platform
from tests.integration.jobs.conftest import PROBE, PROBES
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually

OLD, NEW = "an-old-key-of-this-test-" + "0" * 16, "a-new-key-of-this-test-" + "1" * 16
KEYS = "CELERIAC_MESSAGE_KEYS"
IN_2099 = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def signing(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[RunningPlatform]:
    """A platform with a message key, a worker of threads, and beat."""
    folder = tmp_path_factory.mktemp("signing")
    with running_platform.standing(
        folder, sqlite_template, registry=PROBES, app=PROBE, settings={KEYS: OLD}
    ) as found:
        found.beat()
        found.worker(concurrency=4)
        yield found


def refused(running: RunningPlatform, reason: MessageRefusal) -> int:
    """How many messages were refused for this reason."""
    found: Any = running.platform.redis.hget(refusals.COUNTS_KEY, reason.value)  # sync or async
    return int(found or 0)


def send(
    running: RunningPlatform,
    job: Job,
    headers: Mapping[str, object],
    *,
    args: tuple[object, ...] = (),
    kwargs: Mapping[str, object] | None = None,
    **options: object,
) -> None:
    """What somebody sends who may write to the broker."""
    given = {"task_id": ticket.stage_ticket(job).task_id, **options}
    running.platform.celery.send_task(
        job.stage, args, dict(kwargs or {}), headers=dict(headers), ignore_result=True, **given
    )


def job_of_2099(running: RunningPlatform) -> Job:
    return running.jobs.submit(
        JobRequest(pipeline="probe", params={"name": "mine"}, not_before=IN_2099)
    )


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(None, id="unsigned"),
        pytest.param("A" * 43, id="with a made-up signature"),
    ],
)
def test_a_forged_ticket_runs_nothing(signing: RunningPlatform, signature: str | None) -> None:
    job = job_of_2099(signing)
    before = refused(signing, MessageRefusal.UNSIGNED)

    forged = {**ticket.stage_ticket(job).headers, ticket.SIGNATURE_HEADER: signature}
    send(signing, job, forged, kwargs={"name": "https://evil.example"})

    eventually(lambda: refused(signing, MessageRefusal.UNSIGNED) > before, why="it is refused")
    assert signing.jobs.get(job.id) == job


def test_a_replayed_fence_runs_nothing(signing: RunningPlatform) -> None:
    done = signing.ended(signing.submit("probe", name="replayed"))
    first = PROBES["probe"].stages[0].task
    own = ticket.Ticket(job_id=done.id, stage=first, fence=0)

    signed = own.signed_headers(signing.platform.signer)
    signing.platform.celery.send_task(first, headers=signed, task_id=own.task_id)
    following = signing.ended(signing.submit("probe"))

    assert following.state is JobState.SUCCEEDED
    assert signing.jobs.get(done.id) == done


def test_the_rows_parameters_win_over_those_of_a_message(signing: RunningPlatform) -> None:
    """A message that was taken from the broker, with other arguments."""
    job = job_of_2099(signing)
    headers = ticket.stage_ticket(job).signed_headers(signing.platform.signer)

    send(signing, job, headers, kwargs={"name": "evil", "plan": {"first": ["permanent"]}})

    found = signing.ended(job.id)
    assert (found.state, found.result["name"]) == (JobState.SUCCEEDED, "mine")


def test_no_parameters_are_in_a_message(running: RunningPlatform) -> None:
    job_id = running.submit("probe", name="a-secret-of-this-job")

    redis = running.platform.redis
    keys: Any = redis.keys("default*")  # sync or async
    messages: Any = redis.lrange(keys[0], 0, -1)
    (held,) = messages
    assert job_id.encode() in held
    assert b"a-secret-of-this-job" not in base64.b64decode(json.loads(held)["body"]) + held


@pytest.mark.parametrize("header", ["is_eager", "headers", "hostname"])
def test_a_ticket_in_disguise_is_refused(signing: RunningPlatform, header: str) -> None:
    """Celery keeps what it knows of a request, and the headers, in one dictionary."""
    job = job_of_2099(signing)
    forged = {header: dict(ticket.stage_ticket(job).headers)}

    send(signing, job, forged, task_id="in-disguise")
    following = signing.ended(signing.submit("probe"))

    assert following.state is JobState.SUCCEEDED
    assert signing.jobs.get(job.id) == job


def test_a_job_that_was_sent_before_the_keys_came_is_published_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with running_platform.opened(environment, tmp_path, registry=PROBES, app=PROBE) as unsigned:
        job_id = unsigned.submit("probe")
    settings = {**environment, KEYS: NEW}
    with running_platform.opened(settings, tmp_path, registry=PROBES, app=PROBE) as running:
        running.beat()
        running.worker()

        assert running.ended(job_id).state is JobState.SUCCEEDED
        assert refused(running, MessageRefusal.UNSIGNED) >= 1


def test_keys_are_rotated_while_jobs_flow(environment: dict[str, str], tmp_path: Path) -> None:
    """In any order of processes: none of them refuses what another one has signed. No beat runs,
    so that nothing is published twice."""
    rotation = [OLD, f"{NEW},{OLD}", NEW]
    jobs = []
    with running_platform.opened(
        {**environment, KEYS: OLD}, tmp_path, registry=PROBES, app=PROBE
    ) as old:
        old.worker(env={KEYS: rotation[0]})
        old.worker(env={KEYS: rotation[1]})
        jobs += [old.submit("probe") for _ in range(10)]
        with running_platform.opened(
            {**environment, KEYS: rotation[1]}, tmp_path, registry=PROBES, app=PROBE
        ) as both:
            jobs += [both.submit("probe") for _ in range(10)]
            assert [both.ended(job_id).state for job_id in jobs] == [JobState.SUCCEEDED] * 20
            for worker in old.workers:
                worker.stop()
            both.worker(env={KEYS: rotation[1]})
            both.worker(env={KEYS: rotation[2]})
            with running_platform.opened(
                {**environment, KEYS: rotation[2]}, tmp_path, registry=PROBES, app=PROBE
            ) as new:
                later = [new.submit("probe") for _ in range(10)]
                later += [both.submit("probe") for _ in range(10)]
                assert [new.ended(job_id).state for job_id in later] == [JobState.SUCCEEDED] * 20
                assert refused(new, MessageRefusal.UNSIGNED) == 0
