"""Values that one part of the platform takes and another one cannot show, store or parse.

No request may be answered with a 500, and none may keep others from their answers.
"""

import json
import socket
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from app.jobs.model import changes
from app.jobs.model.job import JobError
from app.storage import engine
from tests.integration import serving
from tests.integration.api import asking
from tests.integration.api.asking import JOBS
from tests.integration.jobs import acts
from tests.integration.serving import Server

DEPTHS = [101, 255, 300, 900, 990, 5_000]
LATER = "2099-01-01T00:00:00Z"


def deep(levels: int) -> str:
    """JSON with this many levels."""
    return "[" * levels + "1" + "]" * levels


@pytest.fixture
def stored(
    environment: dict[str, str], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server over each database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def post(http: httpx2.Client, path: str, content: str) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return http.post(path, content=content.encode(), headers=headers)


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(f"{JOBS}/probe", '{"params": {"plan": {"a": [%s]}}}', id="parameters"),
        pytest.param(
            f"{JOBS}/notification",
            '{"params": {"user_id": "a", "title": "b", "message": "c"}, "on_success": {"kind": '
            '"notification", "params": {"user_id": "a", "title": "b", "message": "c", "data": '
            '{"d": %s}}}}',
            id="what follows",
        ),
        pytest.param(
            f"{JOBS}:batch",
            '{"jobs": [{"kind": "probe", "params": {"name": "a", "b": %s}}]}',
            id="a batch",
        ),
        pytest.param(f"{JOBS}/probe", '{"params": {}, "labels": {"a": %s}}', id="labels"),
        pytest.param("/process-videos", '{"bot_id": "a", "video_urls": %s}', id="an old route"),
    ],
)
def test_a_body_that_is_nested_too_deeply_is_refused(
    shared: httpx2.Client, path: str, body: str, levels: int
) -> None:
    found = asking.problem(post(shared, path, body % deep(levels)))
    assert (found["status"], found["detail"]) == (
        422,
        "#: must not be nested deeper than 100 levels",
    )
    assert found["errors"][0]["code"] == "unfit_value"


def test_what_is_within_the_limit_is_shown(stored: Server) -> None:
    body = {
        "params": {
            "user_id": "a",
            "title": "b",
            "message": "c",
            "data": {"d": json.loads(deep(96))},
        },
        "not_before": LATER,
    }
    answer = stored.http.post(f"{JOBS}/notification", json=body)
    assert answer.status_code == 202, answer.text
    assert stored.http.get(f"{JOBS}/{answer.json()['id']}").json() == answer.json()


def test_a_listing_is_small_however_large_its_jobs_are(stored: Server) -> None:
    """60 jobs of 1 MB made an answer of 58 MB."""
    large = "x" * 900_000
    failing = JobError(type="Broken", message="one line\n" + large, retryable=False, attempt=1)
    for number in range(5):
        job = asking.submit(stored.http, name=large, labels={"n": str(number)})
        held = acts.claimed(stored.platform, stored.platform.jobs.get(job["id"]))
        failed = changes.fail(
            acts.hold(held), error=failing, is_dead_lettered=False, has_finalizer=False
        )
        acts.apply(stored.platform, failed)

    answer = stored.http.get(JOBS)

    assert len(answer.content) < 10_000
    assert [job["labels"] for job in answer.json()["items"]] == [{"n": str(n)} for n in range(5)][
        ::-1
    ]
    assert {job["error"]["message"] for job in answer.json()["items"]} == {"one line"}
    missing = {"params", "result", "artifacts", "webhook_url", "on_success", "on_failure"}
    assert missing.isdisjoint(answer.json()["items"][0])
    whole = stored.http.get(f"{JOBS}/{answer.json()['items'][0]['id']}").json()
    assert whole["params"]["name"] == large


def test_a_batch_answers_with_summaries(stored: Server) -> None:
    body = {"jobs": [{"kind": "probe", "params": {"name": "x" * 100_000}} for _ in range(20)]}
    answer = stored.http.post(f"{JOBS}:batch", json=body)
    assert (answer.status_code, len(answer.json()["items"])) == (202, 20)
    assert len(answer.content) < 20_000


def test_a_listing_does_not_read_what_it_does_not_show(server: Server, sqlite_url: str) -> None:
    """SQLite does not check JSON: readers of these columns would fail."""
    job = asking.submit(server.http)
    database = engine.Database(sqlite_url)
    with database.write() as connection:
        connection.execute(
            text("UPDATE jobs SET params = :it, result = :it, stage_input = :it, on_failure = :it"),
            {"it": "{not JSON"},
        )
    database.close()
    assert [one["id"] for one in server.http.get(JOBS).json()["items"]] == [job["id"]]


@pytest.mark.parametrize("levels", [300, 990, 5_000])
def test_a_row_that_is_nested_too_deeply_costs_no_other_job_its_answer(
    stored: Server, database_url: str, levels: int
) -> None:
    """Rows of before there was a limit."""
    http = stored.http
    other, job = asking.submit(http, name="other"), asking.submit(http, name="deep")
    params = '{"data": ' + deep(levels) + "}"
    follow_up = '{"kind": "probe", "params": ' + params + "}"
    database = engine.Database(database_url)
    with database.write() as connection:
        connection.execute(
            text("UPDATE jobs SET params = :p, result = :r, on_success = :f WHERE id = :id"),
            {"p": params, "r": deep(levels), "f": follow_up, "id": job["id"]},
        )
    database.close()

    listed = http.get(JOBS)
    assert (listed.status_code, len(listed.json()["items"])) == (200, 2)
    shown = http.get(f"{JOBS}/{job['id']}")
    assert shown.status_code == 200, shown.text
    for part in ("params", "result", "on_success"):
        assert "[omitted: nested deeper than 100 levels]" in json.dumps(shown.json()[part])
    assert http.get(f"{JOBS}/{other['id']}").json()["params"]["name"] == "other"
    assert http.get(f"/task/{job['id']}").status_code == 200
    assert http.post(f"{JOBS}/{job['id']}:cancel").status_code == 200
    assert http.post(f"{JOBS}/{job['id']}:retry").status_code == 202


HUGE = "9" * 5_000
ODD = (
    r'"a\u0000b"',
    r'"\ud800"',
    '{"\\u0000": 1}',
    *("1e999", "-1e999", "NaN", HUGE, "9" * 4_000, f'"{HUGE}"'),
    '"0000-00-00T00:00:00Z"',
    '"9999-12-31T23:59:59-12:00"',
    '"0001-01-01T00:00:00+14:00"',
    *("[]", "null", "true"),
)
"""NUL characters, halves of surrogate pairs, numbers and moments beyond all, other types."""

BODIES = [
    (f"{JOBS}/probe", '{"params": {"name": %s}}'),
    (f"{JOBS}/probe", '{"params": {"plan": {"first": [%s]}}}'),
    (f"{JOBS}/probe", '{"params": {}, "not_before": %s}'),
    (f"{JOBS}/probe", '{"params": {}, "max_attempts": %s}'),
    (f"{JOBS}/probe", '{"params": {}, "priority": %s}'),
    (f"{JOBS}/probe", '{"params": {}, "labels": {"a": %s}}'),
    (f"{JOBS}/probe", '{"params": {}, "webhook_url": %s}'),
    (
        f"{JOBS}/notification",
        '{"params": {"user_id": "u", "title": "t", "message": "m", "data": {"d": %s}}, '
        '"not_before": "2099-01-01T00:00:00Z"}',
    ),
    (
        f"{JOBS}/probe",
        '{"params": {}, "not_before": "2099-01-01T00:00:00Z", "on_success": {"kind": '
        '"notification", '
        '"params": {"user_id": "u", "title": "t", "message": "m", "data": {"d": %s}}}}',
    ),
    (f"{JOBS}:batch", '{"jobs": [{"kind": "probe", "params": {}, "idempotency_key": %s}]}'),
    ("/process-videos", '{"bot_id": %s, "video_urls": ["https://example.com/"]}'),
    ("/scrape-youtube", '{"query": "a", "limit": %s}'),
    ("/api/videos/generate", '{"pubmed_id": 1, "video_id": %s}'),
    ("/api/v1/notifications:read-all", '{"user_id": %s}'),
    ("/api/v1/webhooks:enable", '{"url": %s}'),
]


def test_no_value_is_our_fault(stored: Server) -> None:
    """Every accepted value can be shown."""
    answers = {
        (path, body, value[:50]): post(stored.http, path, body % value).status_code
        for path, body in BODIES
        for value in ODD
    }
    listing = stored.http.get(JOBS, params={"limit": 200})
    shown = asking.whole(stored.http, listing)

    assert {asked: status for asked, status in answers.items() if status >= 500} == {}
    assert 10 < len(shown) == len(listing.json()["items"])


QUESTIONS = (
    f"{JOBS}?label=a=%00",
    f"{JOBS}?label=%ED%A0%80=b",
    f"{JOBS}?pipeline=%ED%A0%80",
    f"{JOBS}?limit={HUGE}",
    f"{JOBS}?created_after=9999-12-31T23:59:59-12:00",
    f"{JOBS}?created_before=0001-01-01T00:00:00%2B14:00",
    f"{JOBS}?cursor=%00",
    f"{JOBS}/{asking.NO_JOB}?wait=1e999",
    f"{JOBS}/{asking.NO_JOB}?wait=nan",
    f"{JOBS}/%ED%A0%80",
    "/task/%00",
    "/task/%ED%A0%80",
    f"/task-status/{'x' * 6_000}",
    "/api/v1/notifications?user_id=%00",
    "/api/v1/notifications?user_id=%ED%A0%80",
    "/api/v1/chunks?query=%00",
    "/api/v1/chunks?query=%ED%A0%80&chatbot_id=%00",
)


def test_no_question_is_our_fault(stored: Server) -> None:
    answers = {path: stored.http.get(path).status_code for path in QUESTIONS}
    assert {path: status for path, status in answers.items() if status >= 500} == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Request-Id", "x" * 20_000),
        ("Idempotency-Key", "x" * 20_000),
        ("Idempotency-Key", "a\tb"),
        ("Content-Type", "application/json; charset=" + "x" * 20_000),
        ("Content-Type", "multipart/form-data; boundary=" + "b" * 20_000),
        ("Accept", "x" * 20_000),
        ("Content-Length", HUGE),
        ("Last-Event-ID", HUGE),
    ],
)
@pytest.mark.parametrize("path", [f"{JOBS}/probe", "/api/v1/uploads", "/process-videos"])
def test_no_header_is_our_fault(shared: httpx2.Client, path: str, name: str, value: str) -> None:
    """httptools itself ends a connection whose headers it cannot read, with a 400."""
    assert status_of(shared, path, name, value) < 500


def status_of(http: httpx2.Client, path: str, name: str, value: str) -> int:
    """The status of a request that no client library would send."""
    address = (http.base_url.host, http.base_url.port)
    given = {"Content-Type": "application/json", "Content-Length": "2", name: value}
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{key}: {one}" for key, one in given.items()]
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", "{}"]).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1])
