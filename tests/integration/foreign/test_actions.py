"""What the console does to queues, workers and tasks, against real ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_plus

import httpx2
import pytest
import redis

from tests.integration.foreign.beside import StartConsole, has
from tests.integration.processes import Process
from tests.waiting import eventually

Send = Callable[..., str]
StartWorker = Callable[..., Process]


def act(http: httpx2.Client, path: str, action: str, **fields: str) -> str:
    """Send a form; returns what the console says was done."""
    answer = http.post(path, data={"action": action, **fields})
    assert answer.status_code == 303, answer.text
    return unquote_plus(answer.headers["Location"].partition("done=")[2])


def ends(http: httpx2.Client, task_id: str, state: str) -> None:
    text = f'<span class="state {state}">'
    eventually(has(http, f"/tasks/{task_id}", text), within_s=60, why=f"{task_id} is {state}")


def test_messages_are_shown_moved_and_deleted_at_every_priority(
    console: StartConsole, send: Send, redis_client: redis.Redis
) -> None:
    for number in range(600):
        send("orders.charge", number, queue="full", priority=number % 2 * 3)
    send("orders.charge", 1, queue="other")
    http, _ = console()
    eventually(has(http, "/queues", ">full<", ">other<"), within_s=60, why="both are seen")
    page = http.get("/queues/full").text
    assert "0: 300 3: 300" in page
    assert re.findall(r"\[(\d+)\]", page)[:3] == ["0", "2", "4"]  # 0 first, oldest first
    assert "600 messages moved" in act(http, "/queues/full", "move", target="other")
    assert redis_client.llen("full") == redis_client.llen("full\x06\x163") == 0
    last = json.loads(redis_client.lindex("other", -1) or b"")
    moved = json.loads(redis_client.lindex("other\x06\x163", 0) or b"")
    assert last["properties"]["delivery_info"]["routing_key"] == "other"
    assert moved["properties"]["delivery_info"] == {"exchange": "", "routing_key": "other"}
    assert "601 messages of queue other deleted" in act(http, "/queues/other", "purge")
    assert redis_client.llen("other") == redis_client.llen("other\x06\x163") == 0
    assert "there is no queue 'nix'" in act(http, "/queues/full", "move", target="nix")
    activity = http.get("/activity").text
    eventually(has(http, "/activity", "queue.purge"), within_s=30, why=f"it is kept: {activity}")


def test_a_moved_message_is_run_by_the_workers_of_its_new_queue(
    console: StartConsole, worker: StartWorker, send: Send
) -> None:
    task_id = send("orders.charge", 2, queue="orphan")
    worker("one", "celery")
    http, _ = console()
    eventually(has(http, "/workers", "one@shop"), within_s=60, why="the worker is seen")
    act(http, "/queues/orphan", "move", target="celery")
    ends(http, task_id, "succeeded")


def test_a_queue_is_paused_and_resumed(
    console: StartConsole, worker: StartWorker, send: Send
) -> None:
    worker("one", "celery")
    http, _ = console()
    eventually(has(http, "/workers/one@shop", "/queues/celery"), within_s=60, why="it answers")
    told = act(http, "/queues/celery", "pause")
    assert told == "Queue celery is consumed no more: confirmed by 1 worker"
    eventually(has(http, "/queues/celery", "no worker"), within_s=60, why="it is paused")
    task_id = send("orders.charge", 2)
    eventually(
        has(http, f"/tasks/{task_id}", "Queue celery is paused. It is the next message"),
        within_s=60,
        why="the reason is shown",
    )
    assert "confirmed by 1 worker" in act(http, "/queues/celery", "resume")
    ends(http, task_id, "succeeded")


def test_a_worker_grows_shrinks_and_ends(console: StartConsole, worker: StartWorker) -> None:
    process = worker("one", "celery", pool="prefork", concurrency=1)
    http, _ = console()
    page = "/workers/one@shop"
    eventually(has(http, page, "0 of 1"), within_s=60, why="its slot is known")
    assert act(http, page, "grow", slots="2") == "2 slots more: confirmed by 1 worker"
    eventually(has(http, page, "0 of 3"), within_s=60, why="it has grown")
    act(http, page, "shrink", slots="1")
    eventually(has(http, page, "0 of 2"), within_s=60, why="it has shrunk")
    act(http, page, "add-consumer", queue="extra")
    eventually(has(http, page, "/queues/extra"), within_s=60, why="it consumes another queue")
    act(http, page, "cancel-consumer", queue="extra")
    eventually(lambda: "/queues/extra" not in http.get(page).text, within_s=60, why="no more")
    assert "refuses" in act(http, page, "restart-pool")  # worker_pool_restarts is off
    act(http, page, "shutdown")
    eventually(lambda: not process.is_running, within_s=60, why="it has ended")
    assert process.exit_code == 0


def test_a_task_is_revoked_terminated_and_published_again(
    console: StartConsole, worker: StartWorker, send: Send, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.touch()
    worker("one", "celery", pool="prefork", concurrency=1)
    http, _ = console()
    eventually(has(http, "/workers/one@shop", "/queues/celery"), within_s=60, why="it answers")
    runs = send("files.hold", str(held))
    ends(http, runs, "running")
    waits = send("orders.charge", 2)
    act(http, f"/tasks/{waits}", "revoke")
    assert "confirmed by 1 worker" in act(http, f"/tasks/{runs}", "terminate")
    ends(http, runs, "revoked")
    ends(http, waits, "revoked")
    failed = send("orders.charge", 1)
    ends(http, failed, "failed")
    form = re.search(r'name="args"[^>]*>([^<]*)<', http.get(f"/tasks/{failed}").text)
    assert form
    assert form[1] == "[1]"
    fields = {"args": "[4]", "kwargs": "{}", "queue": "celery"}
    told = act(http, f"/tasks/{failed}", "retry", **fields)
    ends(http, told.rpartition(" ")[2], "succeeded")
    for wrong in ({**fields, "args": "4"}, {**fields, "kwargs": "[]"}, {**fields, "queue": ""}):
        assert act(http, f"/tasks/{failed}", "retry", **wrong).startswith("Not done: ")


def test_all_that_match_are_published_again(
    console: StartConsole, worker: StartWorker, send: Send
) -> None:
    worker("one", "celery")
    http, _ = console()
    eventually(has(http, "/workers/one@shop", "/queues/celery"), within_s=60, why="it answers")
    for number in range(30):
        send("orders.charge", number)
    send("images.resize", 1, 0)
    eventually(has(http, "/tasks?state=failed", "Retry 16"), within_s=60, why="16 have failed")
    told = act(http, "/tasks", "retry", q="task:orders.charge state:failed")
    assert told == "15 tasks published again"
    eventually(has(http, "/tasks?state=failed", "Retry 31"), within_s=60, why="they fail again")
    assert "only failed" in act(http, "/tasks", "retry", q="task:orders.charge")


def test_a_read_only_console_offers_and_does_nothing(
    console: StartConsole, send: Send, redis_client: redis.Redis
) -> None:
    send("orders.charge", 1, queue="full")
    http, _ = console("--read-only")
    eventually(has(http, "/queues", ">full<"), within_s=60, why="the queue is seen")
    assert 'name="action"' not in http.get("/queues/full").text
    for path in ("/queues/full", "/workers/one@shop", "/tasks/x", "/tasks"):
        for action in ("purge", "shutdown", "retry"):
            assert http.post(path, data={"action": action}).status_code == 403
    assert redis_client.llen("full") == 1


@pytest.mark.parametrize("path", ["/queues/full", "/workers/one@shop", "/tasks/x", "/tasks"])
def test_an_unknown_action_and_another_site_are_refused(console: StartConsole, path: str) -> None:
    http, _ = console()
    assert http.post(path, data={"action": "explode"}).status_code == 400
    assert http.post(path, content=b"action=purge&x=" + b"y" * 2_000_000).status_code == 400
    headers = {"Origin": "https://evil.example"}
    assert http.post(path, data={"action": "purge"}, headers=headers).status_code == 403
