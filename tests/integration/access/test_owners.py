"""What one owner has is not there for another one, on any route."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from app.api.middleware import authorization
from tests.integration import serving
from tests.integration.serving import Server
from tests.waiting import eventually

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"

STORY = "The lighthouse keeper grew celeriac behind the lighthouse."

Json = Any  # an answer of the API


@pytest.fixture
def server(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Jobs run inside the request that submits them."""
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    monkeypatch.setenv("CELERIAC_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


class Client:
    """One owner's view of the API."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {key}"}

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        sent = {**self._headers, **(headers or {})}
        return self._server.http.request(method, path, headers=sent, **more)

    def get(self, path: str, **params: str) -> Json:
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def submit(self, kind: str, *, key: str | None = None, **params: object) -> Json:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.ask("POST", f"/api/v1/jobs/{kind}", json={"params": params}, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def upload(self, text: str) -> str:
        answer = self.ask("POST", "/api/v1/uploads", files={"file": ("story.txt", text.encode())})
        return str(answer.json()["id"])


def client(server: Server, owner: str, scope: str = "submit") -> Client:
    body = {"name": f"{owner}'s", "owner": owner, "scope": scope}
    created = Client(server, ADMIN_KEY).ask("POST", "/api/v1/keys", json=body)
    return Client(server, created.json()["key"])


@pytest.fixture
def ada(server: Server) -> Client:
    return client(server, "ada")


@pytest.fixture
def bob(server: Server) -> Client:
    """May do everything but see what others have."""
    return client(server, "bob", scope="maintain")


@pytest.fixture
def admin(server: Server) -> Client:
    return Client(server, ADMIN_KEY)


def paths_of(job_id: str, notification_id: str) -> list[tuple[str, str]]:
    """Every route that names a job or a notification, from the table of all routes."""
    found = []
    for name in authorization.SCOPES:
        method, path = name.split(" ", 1)
        filled = path.replace("{job_id:uuid}", job_id).replace("{job_id}", job_id)
        filled = filled.replace("{task_id}", job_id)
        filled = filled.replace("{notification_id:uuid}", notification_id)
        filled = filled.replace("{name:path}", "words.json")
        if filled != path:
            found.append((method, filled))
    return found


def test_on_every_route_the_job_of_another_is_as_one_that_never_was(
    ada: Client, bob: Client
) -> None:
    job_id = ada.submit("document", upload_id=ada.upload(STORY), chatbot_id="bot")["id"]
    ada.submit("notification", user_id="u", title="Ready", message="It is.")
    notification_id = ada.get("/api/v1/notifications")["items"][0]["id"]
    nothing = str(uuid.uuid4())
    walked = paths_of(job_id, notification_id)
    assert len(walked) >= 14
    for method, path in walked:
        unknown = path.replace(job_id, nothing).replace(notification_id, nothing)
        seen, control = bob.ask(method, path), bob.ask(method, unknown)
        assert seen.status_code == control.status_code, (method, path, seen.text)
        if "/task" not in path:  # a plain task that nobody knows is pending, as in Celery
            assert seen.status_code == 404, (method, path)
        told = seen.text.replace(job_id, nothing).replace(notification_id, nothing)
        request_ids = (seen.headers["x-request-id"], control.headers["x-request-id"])
        assert told.replace(*request_ids) == control.text, (method, path)


def test_nothing_of_another_is_listed_counted_or_found(
    ada: Client, bob: Client, admin: Client
) -> None:
    job = ada.submit("document", upload_id=ada.upload(STORY), chatbot_id="bot")
    ada.submit("notification", user_id="u", title="Ready", message="It is.")
    assert (job["state"], job["owner"]) == ("succeeded", "ada")
    for owner, jobs, hits in ((ada, 2, 1), (bob, 0, 0), (admin, 2, 1)):
        assert len(owner.get("/api/v1/jobs")["items"]) == jobs
        assert len(owner.get("/api/v1/notifications")["items"]) == (1 if jobs else 0)
        for query in ({"query": "lighthouse"}, {"query": "lighthouse", "chatbot_id": "bot"}):
            assert len(owner.get("/api/v1/chunks", **query)["items"]) == hits
    report = bob.submit("report", period="7d")["result"]
    assert {one["kind"] for one in report["jobs"]["kinds"]} <= {"report"}
    read_all = bob.ask("POST", "/api/v1/notifications:read-all", json={"user_id": "u"})
    assert read_all.json() == {"marked": 0}
    for page in ("/", "/jobs", "/failures"):
        assert job["id"] not in bob.ask("GET", page).text
    assert job["id"] in ada.ask("GET", "/jobs").text


def test_an_upload_of_another_cannot_be_read_by_its_id_or_its_path(
    ada: Client, bob: Client
) -> None:
    upload_id = ada.upload(STORY)
    ways: tuple[dict[str, Any], ...] = (
        {"upload_id": upload_id},
        {"file_path": f"uploads/{upload_id}"},
    )
    for params in ways:
        stolen = bob.submit("document", chatbot_id="bot", **params)
        assert (stolen["state"], stolen["error"]["type"]) == ("failed", "NotFound"), params
        assert ada.submit("document", chatbot_id="bot", **params)["state"] == "succeeded"
    batch = bob.ask(
        "POST",
        "/api/v1/jobs:batch",
        json={"jobs": [{"kind": "pdf", "params": {"upload_id": upload_id}}]},
    ).json()
    (job,) = batch["items"]
    assert job["error"]["type"] == "NotFound"


def test_an_idempotency_key_of_another_is_free(ada: Client, bob: Client) -> None:
    notify: dict[str, Any] = {"user_id": "u", "title": "Ready", "message": "It is."}
    first = ada.submit("notification", key="order-1", **notify)
    own = bob.submit("notification", key="order-1", **notify)
    again = ada.submit("notification", key="order-1", **notify)
    assert (own["owner"], again["id"]) == ("bob", first["id"])
    assert own["id"] != first["id"]
    assert own["idempotency_key"] == "order-1"
    other = bob.ask(
        "POST",
        "/api/v1/jobs/notification",
        json={"params": {**notify, "title": "Else"}},
        headers={"Idempotency-Key": "order-1"},
    )
    assert other.status_code == 422
    assert "'order-1'" in other.json()["detail"]


def test_two_owners_may_call_their_bots_the_same(ada: Client, bob: Client) -> None:
    for owner, text in ((ada, "lighthouse one"), (bob, "lighthouse two")):
        owner.submit("document", upload_id=owner.upload(text), chatbot_id="bot")
    for owner, text in ((ada, "lighthouse one"), (bob, "lighthouse two")):
        (hit,) = owner.get("/api/v1/chunks", query="lighthouse", chatbot_id="bot")["items"]
        assert hit["text"] == text


def test_the_source_of_another_cannot_be_replaced(ada: Client, bob: Client) -> None:
    source: dict[str, Any] = {"chatbot_id": "bot", "source_id": "handbook"}
    ada.submit("document", upload_id=ada.upload(STORY), **source)
    taken = bob.submit("document", upload_id=bob.upload("lighthouse"), **source)
    assert (taken["state"], taken["error"]["type"]) == ("failed", "InvalidInput")
    (hit,) = ada.get("/api/v1/chunks", query="lighthouse")["items"]
    assert hit["text"] == STORY


def test_all_of_one_owner_is_erased_and_nothing_of_others(
    server: Server, ada: Client, bob: Client, admin: Client
) -> None:
    for owner in (ada, bob):
        owner.submit("document", upload_id=owner.upload(STORY), chatbot_id="bot")
        owner.submit("notification", user_id="u", title="Ready", message="It is.")
    waiting = ada.ask(
        "POST",
        "/api/v1/jobs/report",
        json={"params": {"period": "7d"}, "not_before": "2099-01-01T00:00:00Z"},
    ).json()
    assert (
        ada.ask("POST", "/api/v1/jobs/erase-owner", json={"params": {"owner": "bob"}}).status_code
        == 403
    )
    counted = {one["owner"]: one for one in admin.get("/api/v1/owners")["items"]}
    assert (counted["ada"]["jobs"], counted["ada"]["unfinished_jobs"]) == (3, 1)
    assert counted["ada"]["bytes"] == len(STORY)

    erased = admin.submit("erase-owner", owner="ada")

    assert (erased["state"], erased["result"]) == (
        "succeeded",
        {"jobs": 3, "uploads": 1, "chunks": 1},
    )
    eventually(lambda: ada.ask("GET", "/api/v1/jobs").status_code == 401, why="its key is gone too")
    assert admin.ask("GET", f"/api/v1/jobs/{waiting['id']}").status_code == 404
    assert "ada" not in {one["owner"] for one in admin.get("/api/v1/owners")["items"]}
    assert len(bob.get("/api/v1/jobs")["items"]) == 2
    assert len(bob.get("/api/v1/chunks", query="lighthouse")["items"]) == 1
    assert len(bob.get("/api/v1/notifications")["items"]) == 1
    kept = list(server.platform.stores.artifacts.keys("uploads/"))
    assert len(kept) == 1


def test_what_follows_a_job_belongs_to_its_owner(ada: Client, bob: Client, admin: Client) -> None:
    follow = {"kind": "notification", "params": {"user_id": "u", "title": "t", "message": "m"}}
    body = {"params": {"period": "7d"}, "on_success": follow}
    job = ada.ask("POST", "/api/v1/jobs/report", json=body).json()

    def following() -> list[Json]:
        items = admin.get("/api/v1/jobs")["items"]
        return items if len(items) == 3 else []

    found = eventually(following, why=f"{job['id']}, its callback, and the notification")
    assert {one["owner"] for one in found} == {"ada"}
    assert bob.get("/api/v1/jobs")["items"] == []


def test_a_stopped_maintenance_job_is_retried_by_its_scope_only(
    server: Server, admin: Client
) -> None:
    with_maintain = client(server, "carol", scope="maintain")
    without = client(server, "carol")
    soon = {"params": {"max_bytes": 1}, "not_before": "2099-01-01T00:00:00Z"}
    job = with_maintain.ask("POST", "/api/v1/jobs/cleanup-old-data", json=soon).json()
    path = f"/api/v1/jobs/{job['id']}"
    assert without.ask("POST", f"{path}:cancel").status_code == 403
    assert with_maintain.ask("POST", f"{path}:cancel").status_code == 200
    assert without.ask("POST", f"{path}:retry").status_code == 403
