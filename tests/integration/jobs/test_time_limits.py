"""Runs that take too long, in every kind of pool."""

import pytest

from app.jobs.model.job import JobState
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform

LIMITS = "default=1/3"


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("act", ["spin:60", "sleep:20", "child"])
def test_a_run_past_its_limit_fails_its_job(running: RunningPlatform, pool: str, act: str) -> None:
    running.worker(pool=pool, concurrency=1, env={"CELERIAC_TIME_LIMITS": LIMITS})
    job = running.jobs.submit(acts.request({"first": [act]}))

    ended = running.ended(job.id, within_s=30)

    assert ended.error is not None
    assert (ended.state, ended.error.type) == (JobState.FAILED, "LimitExceeded")
    assert ended.attempt == 1


def test_a_child_killed_at_the_hard_limit_fails_its_job(running: RunningPlatform) -> None:
    running.worker(pool="prefork", concurrency=1, env={"CELERIAC_TIME_LIMITS": LIMITS})
    job = running.jobs.submit(acts.request({"first": ["stubborn:60"]}))

    ended = running.ended(job.id, within_s=30)

    assert ended.error is not None
    assert (ended.state, ended.error.type) == (JobState.FAILED, "LimitExceeded")
