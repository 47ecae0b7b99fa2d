"""A pipeline brings a queue: `celeriac up`, API and commands know it, and its job runs there."""

from pathlib import Path
from typing import Any

import yaml

from tests import up as platforms
from tests.integration.command_line import CommandLine
from tests.letters import LETTERS


def test_a_queue_of_a_pipeline_has_a_pool_that_runs_its_jobs(
    tmp_path: Path, monkeypatch: Any
) -> None:
    settings = {"CELERIAC_PIPELINES": "tests.letters"}
    with platforms.running(tmp_path, settings=settings) as up:
        submitted = up.http.post("/api/v1/jobs/letters", json={"params": {"text": "word"}}).json()
        job = up.http.get(f"/api/v1/jobs/{submitted['id']}", params={"wait": 60}).json()
        [run] = up.http.get(f"/api/v1/jobs/{submitted['id']}/runs").json()["items"]
        pools = up.http.get("/api/v1/pools").json()["items"]
        listed = {one["name"]: one for one in up.http.get("/api/v1/queues").json()["items"]}
        celeriac = CommandLine(str(up.http.base_url))
        shown = celeriac.output("queues", "list")
    assert (job["state"], job["result"]) == ("succeeded", {"letters": 4, "is_in_thread": True})
    assert "letters" in run["worker"]
    assert "letters" in [pool["name"] for pool in pools]
    own = listed["letters"]
    assert (own["pool"], own["concurrency"], own["max_replicas"]) == ("threads", 3, 2)
    assert "letters of a text" in shown

    monkeypatch.setenv("CELERIAC_PIPELINES", "tests.letters")
    values = yaml.safe_load(celeriac.output("queues", "values"))
    assert values == {"pipelines": {"pools": {"letters": LETTERS.pool_values()}}}
