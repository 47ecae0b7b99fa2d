import httpx2
import pytest

from tests.integration.api import asking
from tests.integration.api.asking import JOBS, Json
from tests.integration.serving import Server


def test_a_job_is_accepted_with_where_to_look(http: httpx2.Client) -> None:
    body = {
        "params": {"name": "one"},
        "priority": 2,
        "labels": {"team": "shop"},
        "max_attempts": 2,
    }
    answer = http.post(f"{JOBS}/probe", json=body)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{JOBS}/{job['id']}"
    assert answer.headers["Retry-After"] == "1"
    want = {
        "pipeline": "probe",
        "params": {"name": "one", "plan": {}},
        "state": "queued",
        "done": False,
        "stage": "probe_first",
        "progress": 0.0,
        "priority": 2,
        "max_attempts": 2,
        "labels": {"team": "shop"},
        "result": None,
        "error": None,
        "artifacts": [],
    }
    assert {key: job[key] for key in want} == want
    assert http.get(answer.headers["Location"]).json() == job


def test_the_message_waits_in_the_queue(server: Server) -> None:
    asking.submit(server.http)
    queues = server.http.get("/api/v1/queues").json()["items"]
    assert {queue["name"]: queue["ready"] for queue in queues if queue["ready"]} == {"default": 1}


def test_an_unknown_kind_is_answered_with_those_that_there_are(shared: httpx2.Client) -> None:
    found = asking.problem(shared.post(f"{JOBS}/porridge", json={"params": {}}))
    assert (found["status"], found["type"]) == (404, "urn:celeriac:problem:not-found")
    assert "'porridge'" in found["detail"]
    assert "probe" in found["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({}, "#/params", id="no parameters"),
        pytest.param({"params": {"name": 3}}, "#/params/name", id="a parameter of another type"),
        pytest.param({"params": {}, "priority": 11}, "#/priority", id="no such priority"),
        pytest.param({"params": {}, "colour": 1}, "#/colour", id="an unknown field"),
        pytest.param([], "#", id="a list"),
        pytest.param({"params": {"name": "a\x00"}}, "#/params/name", id="a NUL character"),
    ],
)
def test_wrong_input_is_pointed_at(shared: httpx2.Client, body: Json, pointer: str) -> None:
    found = asking.problem(shared.post(f"{JOBS}/probe", json=body))
    assert (found["status"], found["type"]) == (422, "urn:celeriac:problem:invalid-request")
    assert [error["pointer"] for error in found["errors"]] == [pointer]


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/a", "file:///etc/passwd", "javascript:alert(1)", "example.org", "", "//x"],
)
def test_a_url_that_is_not_http_is_refused(shared: httpx2.Client, url: str) -> None:
    found = asking.problem(shared.post(f"{JOBS}/media", json={"params": {"url": url}}))
    assert (found["status"], found["errors"][0]["pointer"]) == (422, "#/params/url")


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(b"{", 400, id="half an object"),
        pytest.param(b"", 422, id="nothing"),
        pytest.param(b'{"params": {"name": "\\ud800"}}', 422, id="half a character"),
        pytest.param(b'{"params": {"plan": NaN}}', 422, id="not a number"),
        pytest.param(b'{"params": ' + b"[" * 200_000, 422, id="very deep"),
        pytest.param(b'{"params": ' + b"9" * 10_000 + b"}", 400, id="a very large number"),
        pytest.param(b"\xff\xfe\x00", 400, id="no text"),
        pytest.param(b'{"params": {"name": "' + b"x" * 2_000_000 + b'"}}', 413, id="very long"),
    ],
)
def test_broken_bodies_are_the_clients_fault(
    shared: httpx2.Client, content: bytes, want: int
) -> None:
    headers = {"Content-Type": "application/json"}
    found = asking.problem(shared.post(f"{JOBS}/probe", content=content, headers=headers))
    assert found["status"] == want


def test_another_content_type_is_not_read_as_json(shared: httpx2.Client) -> None:
    """A form of a foreign web page can send text/plain without being asked: it must not submit."""
    headers = {"Content-Type": "text/plain"}
    answer = shared.post(f"{JOBS}/probe", content=b'{"params": {}}', headers=headers)
    assert asking.problem(answer)["status"] == 422


def test_the_same_key_gives_the_same_job(http: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "order 7"}
    body = {"params": {"name": "one"}}
    first, second = (http.post(f"{JOBS}/probe", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.json()["idempotency_key"] == "order 7"
    other = http.post(f"{JOBS}/probe", json={"params": {"name": "two"}}, headers=headers)
    found = asking.problem(other)
    assert (found["status"], found["type"]) == (422, "urn:celeriac:problem:idempotency-conflict")


def test_a_job_for_later_tells_when_to_look(http: httpx2.Client) -> None:
    body = {"params": {}, "not_before": "2999-01-01T00:00:00Z"}
    answer = http.post(f"{JOBS}/probe", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "3600")
    assert answer.json()["not_before"] == "2999-01-01T00:00:00Z"


def test_a_batch_is_accepted_whole(http: httpx2.Client) -> None:
    jobs = [{"kind": "probe", "params": {}, "labels": {"n": str(n)}} for n in range(100)]
    answer = http.post(f"{JOBS}:batch", json={"jobs": jobs})
    assert answer.status_code == 202
    labels = [job["labels"] for job in answer.json()["items"]]
    assert labels == [{"n": str(n)} for n in range(100)]


def test_a_batch_with_one_wrong_job_is_refused_whole(http: httpx2.Client) -> None:
    jobs = [
        {"kind": "probe", "params": {}},
        {"kind": "probe", "params": {"name": 1}},
        {"kind": "porridge", "params": {}},
    ]
    found = asking.problem(http.post(f"{JOBS}:batch", json={"jobs": jobs}))
    assert [error["pointer"] for error in found["errors"]] == [
        "#/jobs/1/params/name",
        "#/jobs/2/kind",
    ]
    assert http.get(JOBS).json()["items"] == []


def test_a_batch_whose_keys_are_taken_is_refused_whole(http: httpx2.Client) -> None:
    keyed = {"kind": "probe", "params": {"name": "a"}, "idempotency_key": "k"}
    assert http.post(f"{JOBS}:batch", json={"jobs": [keyed]}).status_code == 202
    other = {"kind": "probe", "params": {"name": "b"}, "idempotency_key": "k"}
    answer = http.post(f"{JOBS}:batch", json={"jobs": [{"kind": "probe", "params": {}}, other]})
    assert asking.problem(answer)["type"] == "urn:celeriac:problem:idempotency-conflict"
    assert len(http.get(JOBS).json()["items"]) == 1
