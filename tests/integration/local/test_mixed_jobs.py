"""Two hundred jobs at once on one machine: all end, nothing runs twice, no busy worker is ended."""

import time
from collections import Counter
from datetime import datetime

from tests.integration.local.conftest import Json, StartUp, Up
from tests.waiting import eventually

JOBS = 200
PLANS = (
    {"first": ["ok"], "second": ["sleep:0.2"]},
    {"first": ["sleep:0.1"], "second": ["spin:0.3"]},
    {"first": ["ok"], "second": ["sleep:2"]},
    {"first": ["ok"], "second": ["ok"], "last": ["sleep:0.3"]},
)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def unfinished(up: Up) -> int:
    states = ("queued", "running")
    pages = (up.api.get("/api/v1/jobs", params={"state": state, "limit": 100}) for state in states)
    return sum(len(page.json()["items"]) for page in pages)


def runs_of(up: Up, job_id: str) -> list[Json]:
    found: list[Json] = up.api.get(f"/api/v1/jobs/{job_id}/runs").json()["items"]
    return found


def test_a_burst_of_mixed_jobs_runs_each_stage_once(start_up: StartUp) -> None:
    up = start_up(cooldown_s=3)
    up.wait_until_up()
    began_at_s = time.time()
    jobs = [up.submit("probe", plan=PLANS[n % len(PLANS)]) for n in range(JOBS)]

    eventually(lambda: unfinished(up) == 0, within_s=200, why="all jobs end")

    runs = [run for job in jobs for run in runs_of(up, job)]
    assert Counter(run["outcome"] for run in runs) == {"succeeded": 3 * JOBS}
    assert Counter(run["stage"] for run in runs) == {
        "probe_first": JOBS,
        "probe_second": JOBS,
        "probe_last": JOBS,
    }
    first_start_s = min(moment(run["started_at"]) for run in runs) - began_at_s
    assert first_start_s < 8  # under 3 s on a machine that does nothing else
    eventually(
        lambda: all(status.replicas == 0 for status in up.pools().values()),
        within_s=90,
        why="all pools are at zero",
    )
    eventually(lambda: up.workers() == set(), why="the processes have ended")
    assert "died" not in up.output
