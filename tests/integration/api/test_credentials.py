"""Credentials in the URLs of a job are used, and shown to nobody."""

import json

import httpx2
import pytest

from tests.integration.api import asking

SECRET = "pass-9f2c"
URL = f"https://ada:{SECRET}@example.org/page?b=c"


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks are accepted."""
    monkeypatch.setenv("NOTIFY_WEBHOOK_SECRETS", "whsec_" + "c2VjcmV0" * 4)


@pytest.mark.usefixtures("signed")
def test_no_response_shows_the_credentials_of_a_url(
    environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    http: httpx2.Client = request.getfixturevalue("http")
    follow_up = {"kind": "notification", "params": {"user_id": "u", "title": URL, "message": "m"}}
    body = {
        "params": {"url": URL},
        "webhook_url": f"https://ada:{SECRET}@example.org/hook?token={SECRET}",
        "on_success": follow_up,
        "on_failure": follow_up,
    }
    answer = http.post(f"{asking.JOBS}/media", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.json()

    paths = (
        f"{asking.JOBS}/{job['id']}",
        asking.JOBS,
        f"{asking.JOBS}/{job['id']}/runs",
        f"/jobs/{job['id']}",
        "/jobs",
    )
    for shown in (answer, *map(http.get, paths)):
        assert shown.status_code in (200, 202), shown.text
        assert SECRET not in shown.text
    assert job["params"]["url"] == "https://example.org/page?b=c"
    assert job["webhook_url"] == "https://ada:**@example.org/hook"
    assert json.loads(json.dumps(job))["on_success"]["params"]["title"].startswith("https://exam")


@pytest.mark.usefixtures("signed")
def test_the_same_request_with_its_credentials_is_the_same(
    environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    http: httpx2.Client = request.getfixturevalue("http")
    headers = {"Idempotency-Key": "one"}
    body = {"params": {"url": URL}}
    first = http.post(f"{asking.JOBS}/media", json=body, headers=headers)
    again = http.post(f"{asking.JOBS}/media", json=body, headers=headers)
    assert (first.status_code, again.json()["id"]) == (202, first.json()["id"])
