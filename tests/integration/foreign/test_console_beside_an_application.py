"""`celeriac console --broker` beside a real Celery application that fails in three ways."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2
import pytest

from tests.integration.foreign.beside import StartConsole, has
from tests.integration.processes import Process
from tests.waiting import eventually

PAGES = ("/", "/queues", "/workers", "/tasks", "/failures", "/activity", "/tasks?q=state:nonsense")


def counts(http: httpx2.Client) -> Mapping[str, int]:
    """Tasks by state as the overview shows them."""
    found = re.findall(r'<span class="state (\w+)">\w+</span> <b>([\d,]+)</b>', http.get("/").text)
    return {state: int(count.replace(",", "")) for state, count in found}


def test_one_command_shows_the_failures_of_an_application_that_runs(
    console: StartConsole, worker: Callable[..., Process], send: Callable[..., str]
) -> None:
    """No option -E, no line changed in the application."""
    worker("one", "celery")
    worker("two", "mail")
    http, process = console()
    eventually(has(http, "/workers", "one@shop", "two@shop"), within_s=60, why="both are seen")
    ids = [send("orders.charge", number) for number in range(10)]
    send("images.resize", 640, 0)
    send("mail.send", "jo@shop.example")
    eventually(
        lambda: counts(http) == {"succeeded": 5, "failed": 7},
        within_s=60,
        why=f"every task is counted once: {counts(http)}",
    )
    groups = http.get("/failures").text
    for group in (
        *("orders.charge", "ValueError", "failing_app.py:13 in charge"),
        *("images.resize", "ZeroDivisionError", "failing_app.py:18 in resize"),
        *("mail.send", "ConnectionError", "failing_app.py:22 in send"),
    ):
        assert group in groups
    assert "orders.charge has failed 5 times in the last hour with ValueError" in http.get("/").text
    page = http.get(f"/tasks/{ids[1]}").text
    for text in ("order 1 has no card", "failing_app.py", "one@shop", ">celery</a>", "(1,)"):
        assert text.replace("'", "&#39;") in page
    assert ids[4] in http.get("/tasks?q=task:orders.charge+state:succeeded").text
    assert ids[4] not in http.get("/tasks?state=failed").text

    process.kill()
    again, _ = console()  # what was seen outlives the console
    assert counts(again) == {"succeeded": 5, "failed": 7}


def test_queues_that_nobody_consumes_and_workers_that_are_gone(
    console: StartConsole, worker: Callable[..., Process], send: Callable[..., str]
) -> None:
    one = worker("one", "celery")
    for number in range(3):
        send("orders.charge", number, queue="orphan")
    http, _ = console()
    eventually(has(http, "/workers", "one@shop"), within_s=60, why="the worker is seen")
    sentence = "No worker consumes queue orphan, in which 3 messages wait"
    eventually(has(http, "/", sentence), within_s=60, why="the queue is seen")
    assert "no worker" in http.get("/queues/orphan").text
    one.kill()
    eventually(
        lambda: "one@shop" not in http.get("/workers").text, within_s=120, why="it disappears"
    )
    assert http.get("/workers/one@shop").status_code == 404


def test_pages_load_only_their_own_files_and_obey_the_policy(console: StartConsole) -> None:
    http, _ = console()
    for path in PAGES:
        answer = http.get(path)
        assert answer.status_code in (200, 400), path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"<style|\bstyle=|\bon\w+=\"|<script>", answer.text), path
        loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
        assert {http.get(one).status_code for one in loaded} == {200}
    for path in ("/nonsense", "/tasks/nonsense", "/queues/nonsense", "/static/nonsense"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert "nonsense" in answer.text
    assert "no state &#39;nonsense&#39;" in http.get(PAGES[-1]).text


def test_other_sites_and_other_names_are_refused(console: StartConsole) -> None:
    http, _ = console()
    assert http.get("/", headers={"Host": "evil.example"}).status_code == 421
    form, other = {"theme": "dark"}, {"Origin": "https://evil.example"}
    assert http.post("/theme", data=form, headers=other).status_code == 403


def test_a_broker_that_is_away_is_said_and_found_again(
    console: StartConsole, tmp_path: Path
) -> None:
    http, _ = console("--broker", "redis://:m4rk3d@127.0.0.1:1/0")
    page = http.get("/").text
    assert "The broker gives no answer" in page
    assert "m4rk3d" not in page


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "0.0.0.0"], "is reached from other machines"),
        (["--port", "80000"], "--port"),
        (["--history", "/proc/version"], "history"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(
    arguments: list[str], reason: str, redis_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "app", "console", "--broker", redis_url, *arguments]
    process = Process(command, environment=os.environ, log=tmp_path / "console.log")
    eventually(lambda: not process.is_running, within_s=60, why="it ends")
    process.kill()
    assert reason in process.log
    assert "Traceback" not in process.log
