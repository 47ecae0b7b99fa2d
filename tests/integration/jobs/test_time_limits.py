"""Runs that take too long, in every kind of pool."""

import pytest

from app.jobs.model.job import JobState
from tests.integration.jobs import acts
from tests.integration.jobs.conftest import Site

LIMITS = "default=1/3"


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("act", ["spin:60", "sleep:20", "child"])
def test_a_run_past_its_limit_fails_its_job(site: Site, pool: str, act: str) -> None:
    site.worker(pool=pool, concurrency=1, env={"CELERIAC_TIME_LIMITS": LIMITS})
    job = site.jobs.submit(acts.request({"first": [act]}))

    ended = site.ended(job.id, within_s=30)

    assert ended.error is not None
    assert (ended.state, ended.error.type) == (JobState.FAILED, "LimitExceeded")
    assert ended.attempt == 1


def test_a_child_killed_at_the_hard_limit_fails_its_job(site: Site) -> None:
    site.worker(pool="prefork", concurrency=1, env={"CELERIAC_TIME_LIMITS": LIMITS})
    job = site.jobs.submit(acts.request({"first": ["stubborn:60"]}))

    ended = site.ended(job.id, within_s=30)

    assert ended.error is not None
    assert (ended.state, ended.error.type) == (JobState.FAILED, "LimitExceeded")
