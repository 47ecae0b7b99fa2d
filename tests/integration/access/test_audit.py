"""Who did what, of every route that changes something, in one line each."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.api.application import create_app
from app.api.middleware import auditing
from app.api.middleware.route_table import RouteNotListed
from app.jobs.model.pipeline import Registry
from app.storage import schema
from tests.integration import serving
from tests.integration.serving import Server

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"
HOOK = "https://hook.example/"
SECRET = "m4rk3d-s3cr3t"

Json = Any  # an answer of the API


@pytest.fixture
def server(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, database_url: str
) -> Iterator[Server]:
    """Over each database."""
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    monkeypatch.setenv("CELERIAC_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def ask(
    server: Server, method: str, path: str, *, key: str | None = ADMIN_KEY, **more: Any
) -> httpx2.Response:  # the arguments of httpx2
    headers = {
        "User-Agent": "a test",
        **({} if key is None else {"Authorization": f"Bearer {key}"}),
    }
    return server.http.request(method, path, headers=headers, **more)


def lines(server: Server, **wanted: str) -> list[Json]:
    answer = ask(server, "GET", "/api/v1/audit", params=wanted)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["items"]
    return found


def new_key(server: Server, owner: str, scope: str = "submit") -> dict[str, str]:
    body = {"name": f"{owner}'s", "owner": owner, "scope": scope}
    created: dict[str, str] = ask(server, "POST", "/api/v1/keys", json=body).json()
    return created


def media(**more: object) -> dict[str, object]:
    return {"params": {"url": f"http://site.example/{SECRET}"}, **more}


def submit(server: Server, key: str) -> str:
    answer = ask(server, "POST", "/api/v1/jobs/media", key=key, json=media())
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_line_says_who_did_what_when_and_from_where(server: Server) -> None:
    key = new_key(server, "ada")
    job_id = submit(server, key["key"])
    (line,) = lines(server, actor="ada")
    at = datetime.fromisoformat(line.pop("at"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    assert str(uuid.UUID(line["id"])) == line.pop("id")
    assert line.pop("request_id")
    assert line == {
        "actor": "ada",
        "key_id": key["id"],
        "action": "job.submit",
        "subject": job_id,
        "count": 1,
        "detail": "media",
        "outcome": "done",
        "address": "127.0.0.1",
        "user_agent": "a test",
    }
    (made,) = lines(server, action="key.create")
    assert (made["actor"], made["subject"]) == ("admin", key["id"])
    assert made["detail"] == "submit for ada"


def requests_of_all_actions(server: Server, key: str) -> Mapping[str, Mapping[str, Any]]:
    """A request for each route of the table that does something, and what httpx2 needs for it."""
    job_id, ended = submit(server, key), submit(server, key)
    ask(server, "POST", f"/api/v1/jobs/{ended}:cancel", key=key)
    spare = new_key(server, "spare")["id"]
    server.platform.stores.disabled_webhooks.disable(HOOK, reason="gone")
    note = ask(
        server, "POST", "/api/v1/jobs/notification", key=key, json={"params": {"title": "x"}}
    )
    del note
    return {
        "POST /sign-in": {"data": {"key": ADMIN_KEY}},
        "POST /sign-out": {},
        "POST /settings/keys": {"data": {"name": "made", "scope": "read"}},
        "POST /jobs": {"data": {"action": "retry", "id": ended}},
        f"POST /api/v1/jobs/{job_id}:cancel": {},
        f"POST /api/v1/jobs/{job_id}:retry": {},
        "POST /api/v1/jobs:batch": {"json": {"jobs": [{"kind": "media", **media()}] * 3}},
        "POST /api/v1/uploads": {"files": {"file": ("a.txt", SECRET.encode())}},
        "POST /api/v1/notifications:read-all": {"json": {"user_id": "u"}},
        "POST /api/v1/webhooks:enable": {"json": {"url": HOOK}},
        "POST /api/v1/keys": {"json": {"name": "more"}},
        f"POST /api/v1/keys/{spare}:revoke": {},
        "PUT /api/v1/owners/ada/limits": {"json": {"unfinished_jobs": 9}},
        "DELETE /api/v1/owners/ada/limits": {},
        "POST /upload-document": {
            "data": {"chatbot_id": "b"},
            "files": {"file": ("a.txt", SECRET.encode())},
        },
        "POST /process-videos": {"json": {"video_urls": ["http://site.example/v"], "bot_id": "b"}},
        "POST /scrape-youtube": {"json": {"query": "lighthouses", "limit": 3}},
        "POST /api/videos/generate": {"json": {"pubmed_id": "1", "video_id": "v"}},
    }


def test_every_route_that_changes_something_leaves_one_line(server: Server) -> None:
    asked = requests_of_all_actions(server, ADMIN_KEY)
    patterns = auditing.build_actions(Registry([]))
    actions = {patterns.find(*name.split(" ", 1)) for name in asked}
    unasked = {"notification.read", "notification.unread"}
    assert {one for one in auditing.ACTIONS.values() if one} <= actions | unasked
    server.http.headers["Sec-Fetch-Site"] = "same-origin"
    for name, more in asked.items():
        method, path = name.split(" ", 1)
        before = len(lines(server, limit="200"))
        answer = ask(server, method, path, follow_redirects=False, **more)
        assert answer.status_code < 400, (name, answer.text)
        found = lines(server, limit="200")
        assert len(found) == before + 1, name
        assert (found[0]["actor"], found[0]["outcome"]) == ("admin", "done"), name
        assert found[0]["action"] in auditing.known_actions(), name
        assert SECRET not in json.dumps(found[0]), name


def test_a_batch_is_one_line_with_its_number_and_kinds(server: Server) -> None:
    body = {"jobs": [{"kind": "media", **media()}] * 3}
    answer = ask(server, "POST", "/api/v1/jobs:batch", json=body)
    (line,) = lines(server, action="job.")
    first = answer.json()["items"][0]["id"]
    assert (line["subject"], line["count"], line["detail"]) == (first, 3, "media")


def test_what_changes_nothing_leaves_no_line(server: Server) -> None:
    body = media(idempotency_key=None)
    body.pop("idempotency_key")
    headers = {"Idempotency-Key": "once", "Authorization": f"Bearer {ADMIN_KEY}"}
    for _ in range(2):
        server.http.post("/api/v1/jobs/media", json=body, headers=headers)
    ask(server, "POST", "/api/v1/jobs/media", json={"params": {}})
    ask(server, "POST", f"/api/v1/jobs/{uuid.UUID(int=1)}:cancel")
    ask(server, "POST", "/theme", data={"theme": "dark"})
    assert [line["action"] for line in lines(server)] == ["job.submit"]


def test_refused_requests_are_lines_too(server: Server) -> None:
    read = new_key(server, "eve", "read")
    ask(server, "POST", "/api/v1/jobs/media", key=read["key"], json=media())
    ask(server, "POST", "/api/v1/keys", key=None, json={"name": "x"})
    ask(server, "POST", "/sign-in", key=None, data={"key": SECRET})
    found = lines(server, outcome="refused")
    assert [(line["action"], line["actor"], line["key_id"]) for line in found] == [
        ("session.begin", "", None),
        ("key.create", "", None),
        ("job.submit", "eve", read["id"]),
    ]


def test_strangers_cannot_fill_the_log(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "REFUSALS_A_MINUTE", 3)
    for _ in range(10):
        ask(server, "POST", "/api/v1/keys", key=None, json={"name": "x"})
    found = lines(server, outcome="refused", limit="200")
    assert 3 <= len(found) <= 6  # the minute may have ended once
    assert sum(line["count"] for line in found) <= 10


def test_a_download_of_what_others_have_is_a_line(server: Server) -> None:
    ada = new_key(server, "ada")["key"]
    job_id = submit(server, ada)
    with server.platform.database.write() as connection:
        connection.execute(
            sa.insert(schema.artifacts).values(
                job_id=job_id, name="a.txt", media_type="text/plain", size_bytes=0, sha256="0",
                key=f"jobs/{job_id}/a.txt", created_at=datetime.now(UTC),
            )
        )  # fmt: skip
    path = f"/api/v1/jobs/{job_id}/artifacts/a.txt"
    ask(server, "HEAD", path, key=ada)
    ask(server, "HEAD", path)
    (line,) = lines(server, action=auditing.DOWNLOAD)
    assert (line["actor"], line["subject"], line["detail"]) == ("admin", job_id, "a.txt")


def test_the_log_is_read_in_pages_and_exported_whole(server: Server) -> None:
    made = [new_key(server, f"owner-{number}")["id"] for number in range(5)]
    first = ask(server, "GET", "/api/v1/audit", params={"limit": 2}).json()
    second = ask(
        server, "GET", "/api/v1/audit", params={"limit": 3, "cursor": first["next_cursor"]}
    ).json()
    paged = [line["subject"] for line in first["items"] + second["items"]]
    assert (paged, second["next_cursor"]) == (made[::-1], None)
    exported = ask(server, "GET", "/api/v1/audit.jsonl")
    assert exported.headers["content-type"].startswith("application/jsonl")
    told = [json.loads(line) for line in exported.text.splitlines()]
    assert told == first["items"] + second["items"]
    since = {"since": told[2]["at"], "before": told[0]["at"]}
    assert [line["subject"] for line in lines(server, **since)] == [made[3], made[2]]


def test_others_than_administrators_cannot_read_it(server: Server) -> None:
    key = new_key(server, "ada", "maintain")["key"]
    for path in ("/api/v1/audit", "/api/v1/audit.jsonl", "/settings/audit"):
        assert ask(server, "GET", path, key=key).status_code == 403


def test_the_page_shows_the_lines_and_runs_none_of_them(server: Server) -> None:
    new_key(server, "<script>alert(1)</script>")
    page = ask(server, "GET", "/settings/audit").text
    assert "key.create" in page
    assert "submit for &lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "Nothing matches" in ask(server, "GET", "/settings/audit?actor=nobody").text


def test_a_route_without_an_action_does_not_start(server: Server) -> None:
    app = create_app(server.platform)
    app.add_api_route("/forgotten", lambda: None, methods=["POST"])
    with pytest.raises(RouteNotListed, match="POST /forgotten"):
        auditing.check_routes(app, auditing.build_actions(server.platform.registry.public))
