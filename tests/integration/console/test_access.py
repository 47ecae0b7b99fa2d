"""Signing in to the console: sessions, scopes, and what another site may not do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from app.api.middleware.authorization import SESSION_COOKIE
from tests.integration import serving
from tests.integration.serving import Server

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def server(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    monkeypatch.setenv("CELERIAC_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def new_key(server: Server, scope: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    body = {"name": scope, "scope": scope}
    created: dict[str, str] = server.http.post("/api/v1/keys", headers=headers, json=body).json()
    return created


@contextmanager
def browser(server: Server, key: str) -> Iterator[httpx2.Client]:
    """A browser that has signed in with this key."""
    with httpx2.Client(base_url=server.url, timeout=30, headers={"Origin": server.url}) as http:
        answer = http.post("/sign-in", data={"key": key, "back": "/jobs"})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs")
        yield http


def test_a_page_leads_to_the_sign_in_and_back(server: Server) -> None:
    answer = server.http.get("/jobs?state=failed", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?back=%2Fjobs%3Fstate%3Dfailed"
    assert 'value="/jobs?state=failed"' in server.http.get(answer.headers["Location"]).text


def test_a_program_is_told_401_and_not_led_anywhere(server: Server) -> None:
    assert server.http.get("/jobs").status_code == 401
    assert server.http.post("/jobs", headers=PAGE).status_code == 401


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(server: Server) -> None:
    answer = server.http.post("/sign-in", data={"key": ADMIN_KEY}, headers={"Origin": server.url})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert ADMIN_KEY not in cookie


def test_a_wrong_key_is_refused_in_words_and_not_repeated(server: Server) -> None:
    wrong = "celeriac_0123456789ab_" + "w" * 43
    answer = server.http.post("/sign-in", data={"key": wrong}, headers={"Origin": server.url})
    assert answer.status_code == 401
    assert "the API key is not valid" in answer.text
    assert wrong not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_each_sign_in_is_a_session_of_its_own(server: Server) -> None:
    planted = {"Cookie": f"{SESSION_COOKIE}=planted", "Origin": server.url}
    answer = server.http.post("/sign-in", data={"key": ADMIN_KEY}, headers=planted)
    assert f"{SESSION_COOKIE}=planted" not in answer.headers["Set-Cookie"]


def test_signing_out_ends_the_session_on_the_server_too(server: Server) -> None:
    with browser(server, ADMIN_KEY) as http:
        token = http.cookies[SESSION_COOKIE]
        assert http.get("/jobs", headers=PAGE).status_code == 200
        http.post("/sign-out")
    stolen = {"Cookie": f"{SESSION_COOKIE}={token}", **PAGE}
    assert server.http.get("/jobs", headers=stolen).status_code == 303


def test_a_session_ends_with_its_key(server: Server) -> None:
    key = new_key(server, "submit")
    with browser(server, key["key"]) as http:
        assert http.get("/jobs", headers=PAGE).status_code == 200
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        server.http.post(f"/api/v1/keys/{key['id']}:revoke", headers=headers)
        assert http.get("/jobs", headers=PAGE).status_code == 303


def test_what_a_scope_may_not_do_is_neither_offered_nor_done(server: Server) -> None:
    with browser(server, new_key(server, "read")["key"]) as http:
        page = http.get("/jobs", headers=PAGE).text
        assert "Retry selected" not in page
        assert "/settings/keys" not in page
        assert http.post("/jobs", data={"action": "retry", "id": "1"}).status_code == 403
        assert http.get("/settings/keys", headers=PAGE).status_code == 403
        assert http.post("/settings/keys", data={"action": "create"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example"}, id="another origin"),
        pytest.param({"Origin": "null"}, id="no origin"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="another name of our domain"),
        pytest.param({}, id="a browser that says nothing"),
    ],
)
def test_another_site_cannot_use_the_session(server: Server, headers: dict[str, str]) -> None:
    with browser(server, ADMIN_KEY) as http:
        token = http.cookies[SESSION_COOKIE]
    forged = {"Cookie": f"{SESSION_COOKIE}={token}", **headers}
    answer = server.http.post("/settings/keys", data={"action": "create"}, headers=forged)
    assert answer.status_code == 403


def test_an_admin_creates_and_revokes_a_key_on_its_page(server: Server) -> None:
    with browser(server, ADMIN_KEY) as http:
        form = {"action": "create", "name": "ci", "scope": "read", "days": "7"}
        page = http.post("/settings/keys", data=form).text
        [key] = re.findall(r'id="new-key">(celeriac_[^<]+)<', page)
        assert key not in http.get("/settings/keys", headers=PAGE).text
        headers = {"Authorization": f"Bearer {key}"}
        assert server.http.get("/api/v1/queues", headers=headers).status_code == 200
        http.post("/settings/keys", data={"action": "revoke", "id": key.split("_")[1]})
        assert server.http.get("/api/v1/queues", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "form", [{"name": ""}, {"scope": "god"}, {"days": "-1"}, {"days": "1e9"}, {"days": "9999"}]
)
def test_a_key_that_makes_no_sense_is_refused_in_words(
    server: Server, form: dict[str, str]
) -> None:
    with browser(server, ADMIN_KEY) as http:
        whole = {"action": "create", "name": "ci", "scope": "read"} | form
        answer = http.post("/settings/keys", data=whole)
        assert (answer.status_code, "needs+a+name" in answer.headers["Location"]) == (303, True)
