"""`CELERY_TASK_ALWAYS_EAGER`: a job runs within the request."""

import pytest

from app.jobs.model.clock import Clock
from app.jobs.model.job import JobState
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from tests.integration.jobs import acts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Composition reads the setting, before it makes the platform."""
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    return Clock()


@pytest.fixture
def eager(platform: Platform) -> Jobs:
    return platform.jobs


def test_a_job_is_done_when_it_was_submitted(eager: Jobs) -> None:
    job = eager.submit(acts.request())

    assert job.state is JobState.SUCCEEDED
    assert job.result["trail"] == ["first:ok", "second:ok", "last:ok"]
    assert [run.stage for run in eager.runs(job.id)] == [
        "probe_first",
        "probe_second",
        "probe_last",
    ]


def test_a_job_is_retried_at_once(eager: Jobs) -> None:
    job = eager.submit(acts.request({"second": ["retryable", "unknown", "ok"]}))

    assert job.state is JobState.SUCCEEDED
    assert len(eager.runs(job.id)) == 5


def test_a_job_that_fails_is_cleaned_up(eager: Jobs, platform: Platform) -> None:
    job = eager.submit(acts.request({"second": ["permanent"]}))

    assert job.error is not None
    assert (job.state, job.error.type) == (JobState.FAILED, "PermanentError")
    assert (platform.settings.files.temp_dir / f"finalized-{job.id}").exists()


def test_many_jobs_are_done_in_their_order(eager: Jobs) -> None:
    made = eager.submit_many([acts.request(), acts.request({"first": ["permanent"]})])

    assert [job.state for job in made] == [JobState.SUCCEEDED, JobState.FAILED]
