"""GET /metrics: requests by route, jobs by state, pools of this machine."""

import time
import uuid
from pathlib import Path

import httpx2
import pytest
import redis

from app.control.report import pool_snapshot
from app.control.report.pool_snapshot import PoolSnapshot
from app.jobs.publish.refusals import MessageRefusal, Refusals
from tests.integration import serving
from tests.integration.api import asking
from tests.integration.api.asking import JOBS
from tests.integration.serving import Server
from tests.integration.telemetry import scrape
from tests.integration.telemetry.scrape import key
from tests.integration.telemetry.test_operator import STATUS


def test_requests_count_under_the_template_of_their_route(http: httpx2.Client) -> None:
    job = asking.submit(http)
    for path in (
        f"{JOBS}/{job['id']}",
        f"{JOBS}/{job['id']}",
        f"{JOBS}/{uuid.UUID(int=1)}",
        "/nowhere/42",
    ):
        http.get(path)
    found = scrape.samples(f"{http.base_url}/metrics")
    counted = {
        (labels["route"], labels["status"]): value
        for name, pairs in found
        for labels, value in [(dict(pairs), found[name, pairs])]
        if name == "celeriac_http_requests_total"
    }
    assert counted == {
        (f"{JOBS}/probe", "202"): 1,
        (f"{JOBS}/{{job_id}}", "200"): 2,
        (f"{JOBS}/{{job_id}}", "404"): 1,
        ("(none)", "404"): 1,
    }
    latency = key(
        "celeriac_http_request_duration_seconds_count", method="POST", route=f"{JOBS}/probe"
    )
    assert found[latency] == 1


def test_jobs_are_counted_by_state(server: Server) -> None:
    asking.submit(server.http)
    asking.submit(server.http)
    found = scrape.samples(f"{server.url}/metrics")
    want = {
        key("celeriac_jobs_accepted_total", pipeline="probe"): 2,
        key("celeriac_jobs", pipeline="probe", state="queued"): 2,
        key("celeriac_jobs", pipeline="probe", state="failed"): 0,
        key("celeriac_dead_letters", pipeline="probe"): 0,
    }
    assert {name: found.get(name) for name in want} == want


def test_pools_of_this_machine_are_told_as_their_loop_has_posted_them(
    server: Server, redis_client: redis.Redis
) -> None:
    posted = PoolSnapshot(posted_at_s=time.time(), pools={"orders": STATUS})
    redis_client.set(pool_snapshot.KEY, pool_snapshot.dump_snapshot(posted))
    found = scrape.samples(f"{server.url}/metrics")
    pool = {"namespace": "local", "pool": "orders"}
    want = {
        key("celeriac_pool_desired_replicas", **pool): STATUS.desired_replicas,
        key("celeriac_pool_backlog", **pool): STATUS.backlog,
    }
    assert {name: found.get(name) for name in want} == want


def test_refused_messages_are_counted_by_reason(server: Server, redis_client: redis.Redis) -> None:
    refused = Refusals(redis_client)
    for _ in range(2):
        refused.refuse(MessageRefusal.UNSIGNED, "a forged ticket")
    found = scrape.samples(f"{server.url}/metrics")
    name = "celeriac_messages_refused_total"
    assert found[key(name, reason="unsigned")] == 2
    assert found[key(name, reason="malformed")] == 0


def test_what_cannot_be_read_is_left_out_and_the_rest_is_told(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    with serving.serve(serving.platform_from_environment()) as server:
        server.http.get("/healthz")
        names = {name for name, _ in scrape.samples(f"{server.url}/metrics")}
    assert "celeriac_http_requests_total" in names
    assert "celeriac_jobs" not in names
