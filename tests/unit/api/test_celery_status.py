import pytest

from app.api import celery_status
from app.api.celery_status import TaskStatus
from app.jobs.model.job import Job, JobError, JobState
from tests.unit.api import build


@pytest.mark.parametrize(
    ("job", "want"),
    [
        pytest.param(build.job(), "PENDING", id="not started"),
        pytest.param(build.job(state=JobState.RUNNING), "STARTED", id="running"),
        pytest.param(build.job(started_at=build.NOON), "STARTED", id="between two stages"),
        pytest.param(build.job(attempt=1), "RETRY", id="waits for another attempt"),
        pytest.param(build.job(deliveries=1), "RETRY", id="its worker died"),
        pytest.param(build.job(state=JobState.SUCCEEDED), "SUCCESS", id="done"),
        pytest.param(build.job(state=JobState.FAILED), "FAILURE", id="failed"),
        pytest.param(build.job(state=JobState.CANCELLED), "REVOKED", id="cancelled"),
    ],
)
def test_the_state_of_a_job_in_celerys_words(job: Job, want: str) -> None:
    assert celery_status.state_of_job(job) == want


def test_a_failure_tells_why() -> None:
    error = JobError(type="NotFound", message="no such page", retryable=False, attempt=1)
    found = celery_status.of_job(build.job(state=JobState.FAILED, error=error))
    assert found == TaskStatus(status="FAILURE", error="NotFound: no such page")
    assert found.is_done
