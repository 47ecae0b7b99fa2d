"""GET /metrics: requests by route, jobs by state, pools of this machine."""

import uuid

import httpx2

from tests.integration.api import asking
from tests.integration.api.asking import JOBS
from tests.integration.serving import Server
from tests.integration.telemetry import scrape
from tests.integration.telemetry.scrape import key


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
