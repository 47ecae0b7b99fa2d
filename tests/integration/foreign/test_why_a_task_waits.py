"""Why a task waits: each cause is made with real workers, none of which was started with -E."""

import html
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import redis

from tests.integration.foreign.beside import StartConsole, has
from tests.integration.processes import Process
from tests.waiting import eventually

Send = Callable[..., str]
StartWorker = Callable[..., Process]
SENTENCE = re.compile(r'class="waits"[^>]*>(?:<b>Why it waits:</b> )?([^<]*)</p>')


class Reasons:
    """The sentences that the console shows."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def of(self, task_id: str) -> str:
        found = SENTENCE.search(self.http.get(f"/tasks/{task_id}").text)
        return html.unescape(found[1]) if found else ""

    def become(self, task_id: str, *texts: str, within_s: float = 90) -> None:
        shown = ""

        def is_shown() -> bool:
            nonlocal shown
            shown = self.of(task_id)
            return all(text in shown for text in texts)

        try:
            eventually(is_shown, within_s=within_s, why="the sentence is shown")
        except AssertionError:
            raise AssertionError(f"expected {texts}, not {shown!r}") from None


@pytest.fixture
def reasons(console: StartConsole) -> Reasons:
    """Workers are not asked to send events: the sentences need none."""
    http, _ = console("--no-enable-events")
    return Reasons(http)


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """The file for which `files.hold` runs."""
    path = tmp_path / "held"
    path.touch()
    return path


def test_without_workers(reasons: Reasons, send: Send, worker: StartWorker) -> None:
    first, second = send("orders.charge", 1), send("orders.charge", 2)
    urgent = send("orders.charge", 3, queue="mixed")
    usual = [send("orders.charge", n, queue="mixed", priority=6) for n in (4, 5)][-1]
    reasons.become(first, "No worker is alive. It is the next message of queue celery.")
    reasons.become(second, "No worker is alive. 1 message is ahead of it in queue celery.")
    reasons.become(urgent, "It is the next message of queue mixed.")
    reasons.become(usual, "2 messages are ahead of it in queue mixed, 1 of higher priority.")
    worker("one", "celery")
    reasons.become(usual, "No worker consumes queue mixed. Workers consume celery.")


def test_with_busy_workers(
    reasons: Reasons, send: Send, worker: StartWorker, held: Path, redis_client: redis.Redis
) -> None:
    worker("one", "celery", concurrency=1)
    runs = send("files.hold_once", str(held))  # acknowledged: the worker fetches another one
    reasons.become(runs, "It does not wait: worker one@shop runs it for ")
    fetched = send("orders.charge", 2)
    reasons.become(fetched, "Worker one@shop has fetched it, and 1 of its 1 slots run other tasks")
    waits, next_one = send("orders.charge", 4, priority=9), send("orders.charge", 6)
    reasons.become(
        next_one, "It is the next message of queue celery. 1 worker consumes it: 1 of 1 slot is"
    )
    reasons.become(waits, "1 message is ahead of it in queue celery, 1 of higher priority.")
    later = send("orders.charge", 8, countdown=3600)
    reasons.become(later, "Its ETA is in ", "59 min")
    unknown = send("orders.charge", 10)
    redis_client.delete("celery")
    reasons.become(unknown, "Its message is in no queue that is known", "waits under another key")
    held.unlink()
    reasons.become(waits, "Its message is in no queue that is known, no worker holds it")


def test_with_workers_that_hold_it_back(reasons: Reasons, send: Send, worker: StartWorker) -> None:
    worker("one", "celery")
    later = send("orders.charge", 2, countdown=3600)
    reasons.become(later, "Worker one@shop holds it until its ETA, in 59 min", "UTC")
    first, second = send("slow.poll", 2), send("slow.poll", 4)
    reasons.become(
        second, "A worker has fetched it and waits for the limit of its rate: one@shop 2/h."
    )
    assert first
    page = "/queues/celery"
    reasons.http.post(page, data={"action": "pause"})
    paused = send("orders.charge", 6)
    reasons.become(paused, "Queue celery is paused. It is the next message of queue celery.")
    reasons.http.post(page, data={"action": "resume"})
    retries = send("mail.send", "jo", queue="celery", countdown=0)
    reasons.become(retries, "Its message is in no queue that is known")


def test_with_workers_that_hang_or_are_gone(
    reasons: Reasons, send: Send, worker: StartWorker, held: Path
) -> None:
    one = worker("one", "celery", pool="prefork", concurrency=1)
    runs = send("files.hold", str(held))
    reasons.become(runs, "worker one@shop runs it")
    os.kill(one.pid, signal.SIGSTOP)
    waits = send("orders.charge", 2)
    reasons.become(waits, "one@shop hangs: it answers nothing, and no other worker consumes")
    os.kill(one.pid, signal.SIGKILL)
    reasons.become(waits, "No worker is alive. It is the next message of queue celery.")
    reasons.become(runs, "A worker that had fetched its message does not answer for it any more")
    two = worker("two", "other")
    reasons.become(waits, "No worker consumes queue celery. Workers consume other.")
    reasons.http.post("/workers/two@shop", data={"action": "cancel-consumer", "queue": "other"})
    reasons.become(waits, "No worker consumes queue celery. Workers consume no queue.")
    assert two.is_running


def test_with_events_of_what_has_ended(
    console: StartConsole, send: Send, worker: StartWorker, held: Path
) -> None:
    one = worker("one", "celery", pool="prefork", concurrency=1)
    http, _ = console()
    reasons = Reasons(http)
    eventually(has(http, "/workers/one@shop", "/queues/celery"), within_s=60, why="it answers")
    lost = send("files.hold_once", str(held))
    reasons.become(lost, "worker one@shop runs it")
    fetched = send("orders.charge", 2)
    reasons.become(fetched, "Worker one@shop has fetched it")
    one.kill()
    reasons.become(lost, "Worker one@shop vanished while it ran, and its message is gone too.")
    reasons.become(fetched, "had fetched its message does not answer for it any more")


def test_a_broker_that_is_away(console: StartConsole) -> None:
    http, _ = console("--broker", "redis://127.0.0.1:1/0")
    assert "The broker gives no answer" in Reasons(http).of("any")


def test_a_sentence_is_found_among_many_messages(reasons: Reasons, send: Send) -> None:
    """The bound is far above the 200 ms that it takes on a quiet machine."""
    for number in range(3_000):
        send("orders.charge", number, queue="long")
    last = send("orders.charge", 0, queue="long")
    reasons.become(last, "3,000 messages are ahead of it in queue long.")
    began = time.monotonic()
    reasons.of(last)
    assert time.monotonic() - began < 5
