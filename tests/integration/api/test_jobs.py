import threading
import time

import httpx2
import pytest

from tests.integration.api import asking
from tests.integration.api.asking import ALL_QUEUES, JOBS, NO_JOB
from tests.integration.processes import StartWorker


def test_listing_goes_from_page_to_page_newest_first(http: httpx2.Client) -> None:
    for number in range(5):
        asking.submit(http, name=f"n{number}")
    first = http.get(JOBS, params={"limit": 2})
    second = http.get(JOBS, params={"limit": 2, "cursor": first.json()["next_cursor"]})
    third = http.get(JOBS, params={"limit": 2, "cursor": second.json()["next_cursor"]})
    pages = [asking.names(http, page) for page in (first, second, third)]
    assert pages == [["n4", "n3"], ["n2", "n1"], ["n0"]]
    assert third.json()["next_cursor"] is None


def test_listing_filters(http: httpx2.Client) -> None:
    red = asking.submit(http, name="red", labels={"colour": "red", "size": "s"})
    asking.submit(http, name="blue", labels={"colour": "blue", "size": "s"})
    http.post(f"{JOBS}/{red['id']}:cancel")

    def listed(**params: object) -> list[str]:
        return asking.names(http, http.get(JOBS, params=params))  # type: ignore[arg-type]  # as the test gives

    assert listed(label="colour=red") == ["red"]
    assert listed(label=["size=s", "colour=blue"]) == ["blue"]
    assert listed(label="colour=green") == []
    assert listed(state="queued") == ["blue"]
    assert listed(state=["queued", "cancelled"]) == ["blue", "red"]
    assert listed(pipeline="probe") == ["blue", "red"]
    assert listed(pipeline="media") == []
    assert listed(parent=NO_JOB) == []
    assert listed(created_after="2999-01-01T00:00:00Z") == []
    assert listed(created_before="2999-01-01T00:00:00Z") == ["blue", "red"]
    assert listed(created_after="0001-01-01T00:00:00Z") == ["blue", "red"]
    assert listed(created_before="0001-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"limit": 0}, id="a page of nothing"),
        pytest.param({"limit": 10**30}, id="a page of everything"),
        pytest.param({"state": "asleep"}, id="no such state"),
        pytest.param({"label": "colour"}, id="half a label"),
        pytest.param({"label": "a=\x00"}, id="a NUL character"),
        pytest.param({"pipeline": "\x00"}, id="another"),
        pytest.param({"created_after": "yesterday"}, id="no moment"),
        pytest.param({"created_after": "1767225600"}, id="a number"),
        pytest.param({"cursor": "$"}, id="an invalid cursor"),
        pytest.param({"order": "up"}, id="an unknown parameter"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    shared: httpx2.Client, params: dict[str, str | int]
) -> None:
    assert asking.problem(shared.get(JOBS, params=params))["status"] == 422


@pytest.mark.parametrize("path", ["", "/runs", "/events", "/artifacts", "/artifacts/a.mp3"])
def test_a_job_that_is_not_there(shared: httpx2.Client, path: str) -> None:
    assert asking.problem(shared.get(f"{JOBS}/{NO_JOB}{path}"))["status"] == 404


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_acting_on_a_job_that_is_not_there(shared: httpx2.Client, verb: str) -> None:
    assert asking.problem(shared.post(f"{JOBS}/{NO_JOB}:{verb}"))["status"] == 404


@pytest.mark.parametrize("job_id", ["7", "not-an-id", "%00", "%F0%9F%98%80", "..%2f..", "'", "-1"])
@pytest.mark.parametrize("path", ["", "/runs", "/events", "/artifacts", "/artifacts/x"])
def test_what_is_no_id_is_refused(shared: httpx2.Client, job_id: str, path: str) -> None:
    assert asking.problem(shared.get(f"{JOBS}/{job_id}{path}"))["status"] == 404


def test_ids_may_be_written_in_capitals(http: httpx2.Client) -> None:
    job = asking.submit(http)
    assert http.get(f"{JOBS}/{job['id'].upper()}").json() == job


def test_a_queued_job_is_cancelled_at_once(http: httpx2.Client) -> None:
    job = asking.submit(http)
    answer = http.post(f"{JOBS}/{job['id']}:cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    again = asking.problem(http.post(f"{JOBS}/{job['id']}:cancel"))
    assert (again["status"], again["type"]) == (409, "urn:celeriac:problem:conflict")


def test_a_cancelled_job_can_be_taken_up_again(http: httpx2.Client) -> None:
    job = asking.submit(http)
    http.post(f"{JOBS}/{job['id']}:cancel")
    answer = http.post(f"{JOBS}/{job['id']}:retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert asking.problem(http.post(f"{JOBS}/{job['id']}:retry"))["status"] == 409


def test_a_job_runs_to_its_end(http: httpx2.Client, start_worker: StartWorker) -> None:
    start_worker(ALL_QUEUES, app=asking.PROBE_APP)
    job = asking.finished(http, asking.submit(http)["id"])
    assert (job["state"], job["progress"], job["error"]) == ("succeeded", 100.0, None)
    assert job["result"]["trail"] == ["first:ok", "second:ok", "last:ok"]
    runs = http.get(f"{JOBS}/{job['id']}/runs").json()["items"]
    assert [(run["stage"], run["outcome"]) for run in runs] == [
        ("probe_first", "succeeded"),
        ("probe_second", "succeeded"),
        ("probe_last", "succeeded"),
    ]


def test_waiting_ends_with_its_time(http: httpx2.Client) -> None:
    job = asking.submit(http)
    began = time.monotonic()
    answer = http.get(f"{JOBS}/{job['id']}", params={"wait": 0.3})
    assert answer.json()["state"] == "queued"
    assert 0.3 <= time.monotonic() - began < 5


def test_waiting_ends_with_the_job(http: httpx2.Client) -> None:
    job = asking.submit(http)
    canceller = threading.Timer(0.3, lambda: http.post(f"{JOBS}/{job['id']}:cancel"))
    canceller.start()
    began = time.monotonic()
    answer = http.get(f"{JOBS}/{job['id']}", params={"wait": 20})
    canceller.join()
    assert answer.json()["state"] == "cancelled"
    assert time.monotonic() - began < 3


def test_waiting_has_a_limit(shared: httpx2.Client) -> None:
    found = asking.problem(shared.get(f"{JOBS}/{NO_JOB}", params={"wait": 3600}))
    assert found["errors"][0]["pointer"] == "#/wait"


@pytest.mark.parametrize(
    ("method", "path", "want"),
    [
        pytest.param("GET", "/nowhere", 404, id="no such path"),
        pytest.param("GET", "/api/v1/jobs/", 404, id="a slash too many"),
        pytest.param("DELETE", "/api/v1/jobs", 405, id="no such method"),
        pytest.param("POST", "/healthz", 405, id="another"),
        pytest.param("GET", "/api/v1/jobs/probe", 405, id="a kind is not a job"),
        pytest.param("PUT", f"/api/v1/jobs/{NO_JOB}", 405, id="a job is not put"),
        pytest.param("POST", f"/api/v1/jobs/{NO_JOB}", 405, id="nor posted to"),
        pytest.param("GET", f"/api/v1/jobs/{NO_JOB}:cancel", 405, id="nor cancelled by GET"),
        pytest.param("POST", f"/api/v1/jobs/{NO_JOB}:frighten", 404, id="nor anything else"),
    ],
)
def test_the_frameworks_own_errors_are_problems(
    shared: httpx2.Client, method: str, path: str, want: int
) -> None:
    assert asking.problem(shared.request(method, path))["status"] == want
