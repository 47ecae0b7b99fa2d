"""API keys over HTTP, on a server that demands them of this machine too."""

import uuid
from collections.abc import Iterator

import httpx2
import pytest

from app.access.principal import AccessScope
from app.api.application import create_app
from app.api.middleware import authorization
from app.api.middleware.route_table import RouteNotListed
from app.jobs.model.pipeline import Registry
from tests.integration import serving
from tests.integration.serving import Server
from tests.waiting import eventually

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"


@pytest.fixture
def server(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    monkeypatch.setenv("CELERIAC_ADMIN_KEY", ADMIN_KEY)
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def ask(
    server: Server, method: str, path: str, *, key: str | None, json: object = None
) -> httpx2.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return server.http.request(method, path, headers=headers, json=json)


def create(server: Server, scope: str, **more: object) -> dict[str, str]:
    body = {"name": f"a {scope} key", "scope": scope, **more}
    answer = ask(server, "POST", "/api/v1/keys", key=ADMIN_KEY, json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, str] = answer.json()
    return created


def routes() -> list[tuple[str, str, AccessScope]]:
    """A request for each route that needs a scope, from the one table of them."""
    found = []
    for name, scope in authorization.SCOPES.items():
        method, path = name.split(" ", 1)
        if scope is not authorization.PUBLIC:
            job_id = str(uuid.UUID(int=1))
            for part in ("job_id:uuid", "notification_id:uuid", "task_id", "key_id"):
                path = path.replace(f"{{{part}}}", job_id)
            path = path.replace("{name:path}", "a.mp3").replace("{name}", "nonsense")
            found.append(("GET" if method == "*" else method, path, scope))
    return found


def test_every_route_refuses_a_request_without_a_valid_key(server: Server) -> None:
    revoked = create(server, "admin")
    ask(server, "POST", f"/api/v1/keys/{revoked['id']}:revoke", key=ADMIN_KEY)
    expired = create(server, "admin", expires_in_s=1)["key"]
    eventually(
        lambda: ask(server, "GET", "/api/v1/access", key=expired).status_code == 401,
        why="the key expires",
    )
    wrong = revoked["key"][:-4] + "AAAA"
    for method, path, _ in routes():
        for key in (None, "nonsense", wrong, revoked["key"], expired):
            answer = ask(server, method, path, key=key)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.json()["type"] == "urn:celeriac:problem:not-authenticated"


def test_every_route_refuses_each_scope_that_is_too_small(server: Server) -> None:
    keys = {scope: create(server, scope.value)["key"] for scope in AccessScope}
    for method, path, needed in routes():
        answers = {
            scope: ask(server, method, path, key=key).status_code for scope, key in keys.items()
        }
        allowed = {scope for scope, status in answers.items() if status not in (401, 403)}
        assert allowed == {scope for scope in AccessScope if scope.includes(needed)}, path


def test_every_kind_of_job_needs_the_scope_of_its_pipeline(server: Server) -> None:
    read, submit = create(server, "read")["key"], create(server, "submit")["key"]
    kinds = server.platform.registry.public
    assert {kinds[kind].scope for kind in kinds} == {
        AccessScope.SUBMIT,
        AccessScope.MAINTAIN,
        AccessScope.ADMIN,
    }
    for kind, pipeline in kinds.items():
        path = f"/api/v1/jobs/{kind}"
        assert ask(server, "POST", path, key=read, json={}).status_code == 403
        want = 422 if pipeline.scope is AccessScope.SUBMIT else 403
        assert ask(server, "POST", path, key=submit, json={}).status_code == want


def test_maintenance_needs_its_scope_in_a_batch_and_as_a_follow_up_too(server: Server) -> None:
    key = create(server, "submit")["key"]
    cleanup = {"kind": "cleanup-old-data", "params": {"max_bytes": 0}}
    batch = ask(server, "POST", "/api/v1/jobs:batch", key=key, json={"jobs": [cleanup]})
    assert batch.status_code == 403
    media = {"params": {"url": "http://site.example/"}, "on_success": cleanup}
    assert ask(server, "POST", "/api/v1/jobs/media", key=key, json=media).status_code == 403
    allowed = create(server, "maintain")["key"]
    assert ask(server, "POST", "/api/v1/jobs/media", key=allowed, json=media).status_code == 202


def test_public_routes_need_no_key(server: Server) -> None:
    for path in ("/docs", "/openapi.json", "/healthz", "/readyz", "/static/console.css"):
        assert ask(server, "GET", path, key=None).status_code == 200
        assert ask(server, "GET", path, key="nonsense").status_code == 200


def test_a_stranger_does_not_learn_which_routes_there_are(server: Server) -> None:
    assert ask(server, "GET", "/no/such/route", key=None).status_code == 401
    assert ask(server, "GET", "/no/such/route", key=ADMIN_KEY).status_code == 404


def test_a_key_is_shown_once_and_listed_without_its_secret(server: Server) -> None:
    created = create(server, "submit", owner="shop", expires_in_s=3600)
    shown = ask(server, "GET", "/api/v1/access", key=created["key"]).json()
    assert shown == {"owner": "shop", "scope": "submit", "key_id": created["id"]}
    listing = ask(server, "GET", "/api/v1/keys", key=ADMIN_KEY)
    (listed,) = listing.json()["items"]
    assert created["key"] not in listing.text
    assert (listed["state"], listed["owner"]) == ("active", "shop")
    assert listed["last_used_at"] is not None
    assert listed["expires_at"] == created["expires_at"]


def test_a_revoked_key_ends_at_once(server: Server) -> None:
    created = create(server, "read")
    assert ask(server, "GET", "/api/v1/queues", key=created["key"]).status_code == 200
    ask(server, "POST", f"/api/v1/keys/{created['id']}:revoke", key=ADMIN_KEY)
    refused = ask(server, "GET", "/api/v1/queues", key=created["key"])
    assert refused.status_code == 401
    assert "was revoked" in refused.json()["detail"]
    assert created["key"] not in refused.text


def test_a_key_that_does_not_exist_cannot_be_revoked(server: Server) -> None:
    assert ask(server, "POST", "/api/v1/keys/nonsense:revoke", key=ADMIN_KEY).status_code == 404


def test_a_route_without_a_scope_does_not_start(server: Server) -> None:
    app = create_app(server.platform)
    app.add_api_route("/forgotten", lambda: None)
    with pytest.raises(RouteNotListed, match="GET /forgotten"):
        authorization.check_routes(app, authorization.build_scopes(Registry([])))
