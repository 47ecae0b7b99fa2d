"""Jobs through real workers: every stage once, whatever is delivered."""

from typing import Any

import pytest

from app.jobs.model.job import Job, JobState, RunOutcome
from app.jobs.publish import job_events
from app.jobs.publish.job_events import JobEvent
from app.jobs.store.job_store import JobFilter
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually

STAGES = ["probe_first", "probe_second", "probe_last"]


def story(running: RunningPlatform, job: Job) -> list[JobEvent]:
    """Everything that was told of the job."""
    entries: Any = running.platform.redis.xrange(job_events.stream_key(job.id))
    return [job_events.parse_event(*entry) for entry in entries]


def test_a_job_runs_through_its_stages(standing: RunningPlatform) -> None:
    check_whole_way(standing)


def test_a_job_runs_through_its_stages_in_processes(running: RunningPlatform) -> None:
    running.worker(pool="prefork")

    check_whole_way(running)


def check_whole_way(running: RunningPlatform) -> None:
    job = running.ended(running.jobs.submit(acts.request()).id)

    assert job.state is JobState.SUCCEEDED
    assert job.result == {
        "name": "probe",
        "plan": {},
        "trail": ["first:ok", "second:ok", "last:ok"],
    }
    runs = running.jobs.runs(job.id)
    assert [run.stage for run in runs] == STAGES
    assert {run.outcome for run in runs} == {RunOutcome.SUCCEEDED}


def test_events_tell_the_whole_way_and_never_backwards(standing: RunningPlatform) -> None:
    job = standing.ended(standing.jobs.submit(acts.request({"second": ["retryable", "ok"]})).id)

    told = story(standing, job)
    progress = [event.data["progress"] for event in told]
    assert progress == sorted(progress)
    assert [event.kind for event in told][-1] is job_events.EventKind.END
    assert {event.data["stage"] for event in told} == set(STAGES)


@pytest.mark.parametrize("stage", ["first", "last"])
@pytest.mark.parametrize("levels", [300, 2_000])
def test_a_result_that_is_nested_too_deeply_fails_the_job(
    standing: RunningPlatform, stage: str, levels: int
) -> None:
    job = standing.ended(standing.jobs.submit(acts.request({stage: [f"deep:{levels}"]})).id)

    assert (job.state, job.result) == (JobState.FAILED, None)
    assert job.error is not None
    assert (job.error.type, job.error.retryable) == ("InvalidInput", False)
    assert job.error.message == "a JSON value must not be nested deeper than 100 levels"


def test_a_message_delivered_three_times_runs_once(running: RunningPlatform) -> None:
    job = running.jobs.submit(acts.request({"first": ["sleep:0.5"]}))
    running.platform.dispatcher.dispatch([job])
    running.platform.dispatcher.dispatch([job])

    worker = running.worker()

    running.ended(job.id)
    task = f"probe_first[{job.id}.0] received"
    eventually(lambda: worker.log.count(task) == 3, why="three deliveries")
    assert [run.stage for run in running.jobs.runs(job.id)] == STAGES


def test_two_hundred_jobs_run_each_stage_once(running: RunningPlatform) -> None:
    running.worker(concurrency=4)
    running.worker(concurrency=4)
    running.beat()

    made = running.jobs.submit_many([acts.request() for _ in range(200)])

    done = JobFilter(states=frozenset({JobState.SUCCEEDED}))
    eventually(lambda: running.jobs.counts_by_state(done)[JobState.SUCCEEDED] == 200, within_s=120)
    counted = {job.id: [run.stage for run in running.jobs.runs(job.id)] for job in made}
    assert counted == {job.id: STAGES for job in made}


def test_artifacts_are_kept_with_the_job(standing: RunningPlatform) -> None:
    job = standing.ended(standing.jobs.submit(acts.request({"first": ["artifact:a.txt"]})).id)

    [artifact] = job.artifacts
    assert (artifact.name, artifact.media_type, artifact.size_bytes) == ("a.txt", "text/plain", 18)
    _, key = standing.platform.jobs.artifact(job.id, "a.txt")
    assert b"".join(standing.platform.stores.artifacts.stream(key)) == b"a.txt of attempt 1"


@pytest.mark.parametrize(
    ("act", "state", "error", "attempts", "fate"),
    [
        pytest.param("permanent", JobState.FAILED, "PermanentError", 1, "failed", id="permanent"),
        pytest.param("retryable", JobState.FAILED, "RetryableError", 3, "dead", id="exhausted"),
        pytest.param("unknown", JobState.FAILED, "ValueError", 3, "dead", id="a mistake of ours"),
        pytest.param(
            "odd", JobState.FAILED, "NotFound", 1, "failed", id="a file that is not there"
        ),
    ],
)
def test_a_failing_stage_ends_as_its_error_says(
    standing: RunningPlatform, act: str, state: JobState, error: str, attempts: int, fate: str
) -> None:
    job = standing.ended(standing.jobs.submit(acts.request({"second": [act]}, max_attempts=3)).id)

    assert job.error is not None
    assert (job.state, job.error.type, job.attempt) == (state, error, attempts)
    assert (job.dead_lettered_at is not None) is (fate == "dead")
    runs = [run for run in standing.jobs.runs(job.id) if run.stage == "probe_second"]
    assert [run.outcome for run in runs] == [
        *[RunOutcome.RETRIED] * (attempts - 1),
        RunOutcome.FAILED,
    ]


def test_a_retry_that_heals_succeeds(standing: RunningPlatform) -> None:
    job = standing.ended(
        standing.jobs.submit(acts.request({"first": ["retryable", "limited:0.5", "ok"]})).id
    )

    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert job.result["trail"][0] == "first:ok"


def test_a_failed_job_is_cleaned_up_and_starts_over(standing: RunningPlatform) -> None:
    plan = {"first": ["ok"], "second": ["permanent"]}
    job = standing.ended(standing.jobs.submit(acts.request(plan)).id)
    marker = standing.platform.settings.files.temp_dir / f"finalized-{job.id}"
    eventually(lambda: marker.exists() and standing.jobs.runs(job.id)[-1].ended_at is not None)

    standing.jobs.retry(job.id)

    standing.ended(job.id)
    stages = [run.stage for run in standing.jobs.runs(job.id)]
    assert stages[:5] == [
        "probe_first",
        "probe_second",
        "probe_finalizer",
        "probe_first",
        "probe_second",
    ]
