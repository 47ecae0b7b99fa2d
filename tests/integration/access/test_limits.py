"""Limits of owners, enforced over both databases and a real Redis."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.errors import LimitExceeded
from app.jobs.platform import Platform
from app.storage import ownership
from tests.integration import serving
from tests.integration.environments import settings_of
from tests.integration.serving import Server
from tests.ports import free_port
from tests.waiting import eventually

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"

Ask = Callable[..., httpx2.Response]


@pytest.fixture
def platform(
    redis_url: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """No worker runs: jobs stay queued."""
    settings = settings_of(tmp_path, redis_url=redis_url, database_url=database_url)
    guards = {"CELERIAC_GUARD_LOOPBACK": "true", "CELERIAC_ADMIN_KEY": ADMIN_KEY}
    for name, value in {**settings, **guards}.items():
        monkeypatch.setenv(name, value)
    return serving.platform_from_environment()


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    with serving.serve(platform) as found:
        yield found


def asker(server: Server, key: str) -> Ask:
    def ask(method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        return server.http.request(method, f"/api/v1{path}", headers=headers, **more)

    return ask


@pytest.fixture
def admin(server: Server) -> Ask:
    return asker(server, ADMIN_KEY)


@pytest.fixture
def ada(server: Server, admin: Ask) -> Ask:
    return asker(server, created_key(admin, "ada"))


@pytest.fixture
def bob(server: Server, admin: Ask) -> Ask:
    return asker(server, created_key(admin, "bob"))


def created_key(admin: Ask, owner: str) -> str:
    body = {"name": owner, "owner": owner, "scope": "submit"}
    return str(admin("POST", "/keys", json=body).json()["key"])


def limit(admin: Ask, owner: str, **limits: float) -> None:
    answer = admin("PUT", f"/owners/{owner}/limits", json=limits)
    assert answer.status_code == 200, answer.text


def notify(ask: Ask, **more: Any) -> httpx2.Response:
    headers = more.pop("headers", {})
    params = {"user_id": "u", "title": "Ready", "message": "It is.", **more}
    return ask("POST", "/jobs/notification", json={"params": params}, headers=headers)


def batch(ask: Ask, count: int) -> httpx2.Response:
    params = {"user_id": "u", "title": "Ready", "message": "It is."}
    jobs = [{"kind": "notification", "params": params} for _ in range(count)]
    return ask("POST", "/jobs:batch", json={"jobs": jobs})


def upload(ask: Ask, size: int) -> httpx2.Response:
    return ask("POST", "/uploads", files={"file": ("a.txt", b"x" * size)})


def refusal(answer: httpx2.Response) -> tuple[int, str, int]:
    """Status, limit and what is left, of an answer that also says when to come back."""
    assert int(answer.headers["Retry-After"]) >= 1
    body = answer.json()
    assert body["type"] == "urn:celeriac:problem:quota-exceeded"
    return answer.status_code, body["limit"], body["left"]


def test_requests_are_limited_by_the_minute(admin: Ask, ada: Ask, bob: Ask) -> None:
    limit(admin, "ada", requests_per_minute=3)

    answers = [ada("GET", "/jobs") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers[:3]] == [
        "r=2",
        "r=1",
        "r=0",
    ]
    assert answers[0].headers["RateLimit-Policy"] == '"requests";q=3;w=60'
    assert refusal(answers[4]) == (429, "requests_per_minute", 0)
    assert "RateLimit" not in bob("GET", "/jobs").headers


def test_a_flood_at_once_cannot_exceed_a_limit(admin: Ask, ada: Ask, bob: Ask) -> None:
    limit(admin, "ada", unfinished_jobs=10)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: notify(ada), range(40)))

    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [429] * 30
    assert refusal(answers[-1]) == (429, "unfinished_jobs", 0)
    assert notify(bob).status_code == 202


def test_a_flood_waits_for_no_second_connection(
    redis_url: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that wait for the lock of their owner hold all connections: the one that has the
    lock gets no other."""
    settings = settings_of(tmp_path, redis_url=redis_url, database_url=postgres_url)
    small = {"DATABASE_POOL_SIZE": "2", "CELERIAC_ADMIN_KEY": ADMIN_KEY}
    for name, value in {**settings, "CELERIAC_GUARD_LOOPBACK": "true", **small}.items():
        monkeypatch.setenv(name, value)
    with serving.serve(serving.platform_from_environment()) as server:
        admin = asker(server, ADMIN_KEY)
        ada, bob = (asker(server, created_key(admin, name)) for name in ("ada", "bob"))
        limit(admin, "ada", unfinished_jobs=10, stored_bytes=1000, recipients_per_day=100)

        def send(number: int) -> int:
            if number % 10 == 0:
                return notify(bob).status_code
            kind = upload(ada, 300) if number % 2 else notify(ada, email="someone@example.org")
            return kind.status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(send, range(100)))

    assert sorted(statuses) == [201] * 3 + [202] * 20 + [429] * 77


def test_a_batch_that_does_not_fit_is_refused_whole(admin: Ask, ada: Ask) -> None:
    limit(admin, "ada", unfinished_jobs=5)
    assert batch(ada, 3).status_code == 202

    assert refusal(batch(ada, 3)) == (429, "unfinished_jobs", 2)
    assert batch(ada, 2).status_code == 202


def test_a_repeated_request_is_not_counted_again(admin: Ask, ada: Ask) -> None:
    limit(admin, "ada", unfinished_jobs=1, recipients_per_day=1)
    same = {"email": "someone@example.org", "headers": {"Idempotency-Key": "one"}}
    first = notify(ada, **same)

    again = notify(ada, **same)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert refusal(notify(ada)) == (429, "unfinished_jobs", 0)


def test_a_job_that_has_ended_makes_room(admin: Ask, ada: Ask) -> None:
    limit(admin, "ada", unfinished_jobs=1)
    job_id = notify(ada).json()["id"]
    assert notify(ada).status_code == 429

    assert ada("POST", f"/jobs/{job_id}:cancel").is_success
    assert notify(ada).status_code == 202


def test_recipients_are_limited_when_jobs_are_submitted(admin: Ask, ada: Ask, bob: Ask) -> None:
    limit(admin, "ada", recipients_per_day=3)
    both = {"email": "someone@example.org", "webhook_url": "https://example.org/hook"}
    assert notify(ada, **both).status_code == 202

    assert refusal(notify(ada, **both)) == (429, "recipients_per_day", 1)
    assert notify(ada, email="someone@example.org").status_code == 202
    assert notify(ada).status_code == 202  # names no address
    assert notify(bob, **both).status_code == 202


def test_a_refused_job_uses_no_recipients(admin: Ask, ada: Ask) -> None:
    limit(admin, "ada", recipients_per_day=2, unfinished_jobs=0)
    assert refusal(notify(ada, email="someone@example.org"))[1] == "unfinished_jobs"

    [use] = [one for one in ada("GET", "/limits").json()["limits"] if "recipients" in one["name"]]
    assert use["used"] == 0


def test_stored_bytes_are_limited_and_given_back(admin: Ask, ada: Ask, platform: Platform) -> None:
    limit(admin, "ada", stored_bytes=1000)
    first = upload(ada, 600).json()["id"]

    assert refusal(upload(ada, 500)) == (429, "stored_bytes", 400)
    assert upload(ada, 400).status_code == 201
    assert refusal(upload(ada, 0)) == (429, "stored_bytes", 0)
    assert refusal(notify(ada)) == (429, "stored_bytes", 0)
    platform.stores.uploads.delete(first)
    assert upload(ada, 500).status_code == 201


def test_uploads_at_once_cannot_exceed_the_limit(admin: Ask, ada: Ask, platform: Platform) -> None:
    limit(admin, "ada", stored_bytes=1000)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: upload(ada, 300), range(12)))

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 9
    objects = platform.settings.files.storage_dir / "uploads"
    assert len(list(objects.iterdir())) == 3


def test_an_artifact_that_does_not_fit_fails_its_job(
    admin: Ask, ada: Ask, platform: Platform
) -> None:
    limit(admin, "ada", stored_bytes=1000)
    upload(ada, 600)
    with ownership.acting_for(ownership.job_scope("ada")):
        platform.quotas.check_artifact(400)
        with pytest.raises(LimitExceeded, match=r"'ada' may have 1,000 stored bytes, of which 400"):
            platform.quotas.check_artifact(401)


def test_tokens_of_models_are_counted_between_calls(
    admin: Ask, ada: Ask, platform: Platform
) -> None:
    limit(admin, "ada", llm_tokens_per_day=100)
    with ownership.acting_for(ownership.job_scope("ada")):
        platform.quotas.check_tokens()
        platform.quotas.add_tokens(150)
        with pytest.raises(LimitExceeded, match=r"100 tokens of language models per day"):
            platform.quotas.check_tokens()
    with ownership.acting_for(ownership.job_scope("bob")):
        platform.quotas.check_tokens()


def test_limits_are_shown_with_their_use(admin: Ask, ada: Ask) -> None:
    limit(admin, "ada", unfinished_jobs=5, weight=2)
    notify(ada)

    found = ada("GET", "/limits").json()

    assert (found["owner"], found["weight"], found["is_default"]) == ("ada", 2, False)
    by_name = {one["name"]: (one["limit"], one["used"]) for one in found["limits"]}
    assert by_name["unfinished_jobs"] == (5, 1)
    assert by_name["stored_bytes"] == (None, 0)
    assert ada("PUT", "/owners/ada/limits", json={}).status_code == 403
    assert ada("GET", "/owners/ada/limits").status_code == 403
    assert admin("DELETE", "/owners/ada/limits").json()["is_default"]
    assert admin("PUT", "/owners/ada/limits", json={"unknown": 1}).status_code == 422


def test_the_limits_of_the_server_hold_for_owners_without_their_own(
    server: Server, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_OWNER_LIMITS", '{"unfinished_jobs": 1}')
    with serving.serve(serving.platform_from_environment()) as limited:
        admin = asker(limited, ADMIN_KEY)
        ada = asker(limited, created_key(admin, "ada"))
        assert notify(ada).status_code == 202
        assert refusal(notify(ada)) == (429, "unfinished_jobs", 0)
        limit(admin, "ada", unfinished_jobs=2)
        assert notify(ada).status_code == 202


def test_without_redis_requests_are_not_refused(
    admin: Ask, ada: Ask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(admin, "ada", requests_per_minute=1, recipients_per_day=0)
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    with serving.serve(serving.platform_from_environment()) as alone:
        ask = asker(alone, created_key(asker(alone, ADMIN_KEY), "ada"))
        answers = [ask("GET", "/jobs").status_code for _ in range(3)]
        assert answers == [200, 200, 200]
        assert notify(ask, email="someone@example.org").status_code == 202


def test_a_change_reaches_other_processes(admin: Ask, ada: Ask) -> None:
    with serving.serve(serving.platform_from_environment()) as other:
        ask = asker(other, ADMIN_KEY)
        limit(admin, "ada", unfinished_jobs=7)
        path = "/owners/ada/limits"

        def limits() -> set[int | None]:
            return {one["limit"] for one in ask("GET", path).json()["limits"]}

        eventually(lambda: 7 in limits())
        limit(admin, "ada", unfinished_jobs=9)
        eventually(lambda: 9 in limits())
