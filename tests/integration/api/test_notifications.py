"""Notifications over HTTP, and callbacks of jobs from the request to the webhook."""

from collections.abc import Iterator

import httpx2
import pytest

from app.storage import notification_store
from app.storage.notification_store import NewNotification, Notification
from tests.integration import serving
from tests.integration.api import asking
from tests.integration.api.asking import JOBS, Json
from tests.integration.serving import Server
from tests.sites import receiver as receivers
from tests.sites.receiver import Receiver

NOTIFICATIONS = "/api/v1/notifications"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receive() as found:
        yield found


@pytest.fixture
def eager(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that runs jobs, and what follows them, inside the request."""
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    monkeypatch.setenv("NOTIFY_WEBHOOK_SECRETS", receivers.SECRET)
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def notified(
    server: Server, key: str, *, user: str = "ada", type: str = "info", data: Json | None = None
) -> Notification:
    new = NewNotification(key=key, user_id=user, type=type, title=key, message="", data=data or {})
    return server.platform.stores.notifications.ensure(new, {})


def titles(http: httpx2.Client, **wanted: str | int | bool) -> list[str]:
    answer = http.get(NOTIFICATIONS, params=wanted)
    assert answer.status_code == 200, answer.text
    return [one["title"] for one in answer.json()["items"]]


def test_notifications_are_listed_read_and_unread(server: Server) -> None:
    http = server.http
    first, second = notified(server, "first"), notified(server, "second", type="alert")
    notified(server, "other", user="bob")

    read = http.post(f"{NOTIFICATIONS}/{first.id}:read").json()
    again = http.post(f"{NOTIFICATIONS}/{first.id}:read").json()
    unread = titles(http, user_id="ada", unread=True)
    back = http.post(f"{NOTIFICATIONS}/{first.id}:unread").json()
    marked = http.post(f"{NOTIFICATIONS}:read-all", json={"user_id": "ada"}).json()

    assert titles(http) == ["other", "second", "first"]
    assert titles(http, user_id="ada", type="alert") == ["second"]
    assert (read["read_at"] is not None, again["read_at"]) == (True, read["read_at"])
    assert unread == ["second"]
    assert back["read_at"] is None
    assert marked == {"marked": 2}
    assert titles(http, unread=True) == ["other"]
    assert http.get(f"{NOTIFICATIONS}/{second.id}").json()["read_at"] is not None


def test_large_data_is_shown_with_its_notification_and_not_in_a_listing(
    database_url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    data = {
        "a": "x" * (notification_store.LISTED_DATA_CHARACTERS + 1)
    }  # of before there was a limit
    with serving.serve(serving.platform_from_environment()) as server:
        large = notified(server, "large", data=data)
        notified(server, "small", data={"a": 1})

        answer = server.http.get(NOTIFICATIONS)
        whole = server.http.get(f"{NOTIFICATIONS}/{large.id}").json()

    assert [one["data"] for one in answer.json()["items"]] == [{"a": 1}, notification_store.OMITTED]
    assert whole["data"] == data


def test_pages_go_on_where_the_one_before_ended(server: Server) -> None:
    for number in range(5):
        notified(server, f"n{number}")

    page = server.http.get(NOTIFICATIONS, params={"limit": 3}).json()
    rest = server.http.get(NOTIFICATIONS, params={"limit": 3, "cursor": page["next_cursor"]})

    assert [one["title"] for one in page["items"]] == ["n4", "n3", "n2"]
    assert [one["title"] for one in rest.json()["items"]] == ["n1", "n0"]
    assert rest.json()["next_cursor"] is None


def test_a_notification_that_is_not_there_is_a_problem(shared: httpx2.Client) -> None:
    for answer in (
        shared.get(f"{NOTIFICATIONS}/{asking.NO_JOB}"),
        shared.post(f"{NOTIFICATIONS}/{asking.NO_JOB}:read"),
        shared.post("/api/v1/webhooks:enable", json={"url": "https://example.com/"}),
    ):
        assert asking.problem(answer)["status"] == 404


def test_the_end_of_a_job_is_told_by_a_signed_webhook(eager: Server, receiver: Receiver) -> None:
    job = asking.submit(eager.http, webhook_url=receiver.url + "/jobs", labels={"team": "shop"})

    found = eager.http.get(f"{JOBS}/{job['id']}").json()
    [hook] = receiver.at("/jobs")
    listing = eager.http.get(JOBS, params={"label": f"callback-of={job['id']}"})
    [callback] = asking.whole(eager.http, listing)
    assert hook.verified_by == {receivers.SECRET}
    assert hook.id == callback["id"]
    assert (callback["state"], callback["result"]) == ("succeeded", {"status": 204})
    assert hook.body["type"] == "job.succeeded"
    assert same(hook.body["data"]) == same(found)


def same(job: Json) -> Json:
    """The job, with normalized times."""
    return {**job, **{name: str(job[name])[:19] for name in job if name.endswith("_at")}}


def test_a_failure_is_followed_by_a_notification(eager: Server, receiver: Receiver) -> None:
    on_failure = {
        "kind": "notification",
        "params": {
            "user_id": "{{labels.user}}",
            "title": "{{pipeline}} failed",
            "message": "It said: {{error.message}}",
            "notification_type": "alert",
        },
    }
    asking.submit(
        eager.http,
        plan={"first": ["permanent"]},
        labels={"user": "ada"},
        on_failure=on_failure,
        on_success={
            "kind": "notification",
            "params": {"user_id": "x", "title": "y", "message": ""},
        },
        webhook_url=receiver.url + "/jobs",
    )

    [hook] = receiver.at("/jobs")
    [found] = eager.http.get(NOTIFICATIONS).json()["items"]
    assert (hook.body["type"], hook.body["data"]["error"]["message"]) == ("job.failed", "never")
    assert (found["user_id"], found["title"], found["message"], found["type"]) == (
        "ada",
        "probe failed",
        "It said: never",
        "alert",
    )


@pytest.mark.parametrize(
    "callback",
    [
        pytest.param({"webhook_url": "ftp://example.com/"}, id="no web address"),
        pytest.param({"on_success": {}}, id="nothing that follows"),
        pytest.param({"on_success": {"kind": "probe", "task": "x"}}, id="two things that follow"),
        pytest.param({"on_success": {"task": "os.system"}}, id="a task that is not allowed"),
        pytest.param({"webhook_url": "https://example.com/"}, id="a server without a secret"),
    ],
)
def test_an_invalid_callback_is_refused(shared: httpx2.Client, callback: Json) -> None:
    answer = shared.post(f"{JOBS}/probe", json={"params": {}, **callback})

    assert asking.problem(answer)["status"] == 422


def test_nobody_submits_callbacks(shared: httpx2.Client) -> None:
    answer = shared.post(f"{JOBS}/callback", json={"params": {}})
    batch = {"jobs": [{"kind": "callback", "params": {}}]}

    assert asking.problem(answer)["status"] == 404
    assert asking.problem(shared.post(f"{JOBS}:batch", json=batch))["status"] == 422
    kinds = [one["kind"] for one in shared.get("/api/v1/pipelines").json()["items"]]
    assert ("notification" in kinds, "callback" in kinds) == (True, False)
