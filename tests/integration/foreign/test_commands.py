"""`celeriac queues`, `workers` and `tasks` against a Celery application that is not ours."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from app.cli.application import application
from tests.integration.foreign.beside import StartConsole, has
from tests.integration.processes import Process
from tests.waiting import eventually

Send = Callable[..., str]
StartWorker = Callable[..., Process]


class Commands:
    """Runs commands with the broker of the application."""

    def __init__(self, url: str) -> None:
        self._url = url

    def run(self, *words: str) -> Result:
        arguments = [*words[:2], "--broker", self._url, *words[2:]]
        return CliRunner().invoke(application, arguments)

    def output(self, *words: str) -> str:
        found = self.run(*words)
        assert found.exit_code == 0, found.output
        return found.output


@pytest.fixture
def celeriac(redis_url: str) -> Commands:
    return Commands(redis_url)


def test_queues_and_messages(
    celeriac: Commands, send: Send, worker: StartWorker, redis_client: redis.Redis
) -> None:
    worker("one", "celery")
    ids = [send("orders.charge", n, queue="orphan", priority=n % 2 * 3) for n in range(5)]
    found = json.loads(celeriac.output("queues", "list", "-o", "json"))
    listed = {one["name"]: one for one in found}
    assert (listed["orphan"]["ready"], listed["orphan"]["workers"]) == (5, 0)
    assert (listed["celery"]["ready"], listed["celery"]["workers"]) == (0, 1)
    assert "none" in celeriac.output("queues", "list")
    shown = celeriac.output("queues", "show", "orphan", "--limit", "3")
    assert "orphan: 5 ready (3 of priority 0, 2 of priority 3)" in shown
    assert [line.split()[1] for line in shown.splitlines()[2:]] == [ids[0], ids[2], ids[4]]
    assert "3 messages moved" in celeriac.output(
        *("queues", "move", "orphan", "other", "--limit", "3", "--yes")
    )
    assert redis_client.llen("other") == 3
    assert "2 messages of queue orphan deleted" in celeriac.output(
        *("queues", "purge", "orphan", "--yes")
    )
    assert "0 messages of queue orphan" in celeriac.output("queues", "purge", "orphan", "--yes")


def test_what_cannot_be_undone_needs_an_answer(
    celeriac: Commands, send: Send, redis_client: redis.Redis
) -> None:
    send("orders.charge", 1, queue="orphan")
    for words in (("purge", "orphan"), ("move", "orphan", "other")):
        found = celeriac.run("queues", *words)
        assert found.exit_code == 2
        assert "1 message of queue orphan" in found.output
        assert "--yes" in found.output
    assert redis_client.llen("orphan") == 1
    assert celeriac.run("workers", "shutdown", "one@shop").exit_code == 2
    assert celeriac.run("tasks", "revoke", "x", "--terminate").exit_code == 2


def test_a_queue_is_paused_and_resumed(
    celeriac: Commands, send: Send, worker: StartWorker, redis_client: redis.Redis
) -> None:
    worker("one", "celery")
    told = celeriac.output("queues", "pause", "celery")
    assert "one@shop: does not consume queue celery" in told
    (undo,) = (line for line in told.splitlines() if line.startswith("To undo it: celeriac "))
    task_id = send("orders.charge", 2)
    why = celeriac.output("tasks", "why", task_id)
    assert why == "No worker consumes queue celery. Workers consume no queue.\n"
    assert redis_client.llen("celery") == 1
    celeriac.output(*undo.removeprefix("To undo it: celeriac ").split())
    eventually(lambda: redis_client.llen("celery") == 0, within_s=60, why="it runs again")


def test_workers(celeriac: Commands, worker: StartWorker, send: Send, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    process = worker("one", "celery", pool="prefork", concurrency=1)
    task_id = send("files.hold", str(held))
    eventually(
        lambda: f"files.hold  {task_id}" in celeriac.output("workers", "show", "one@shop"),
        within_s=90,
        why="it runs",
    )
    (running,) = json.loads(celeriac.output("tasks", "running", "-o", "json"))
    assert (running["task"], running["id"]) == ("files.hold", task_id)
    assert running["worker"] == "one@shop"
    assert "worker one@shop runs it" in celeriac.output("tasks", "why", task_id)
    assert "2 slots more" in celeriac.output("workers", "grow", "one@shop", "2")
    eventually(
        lambda: json.loads(celeriac.output("workers", "list", "-o", "json"))[0]["slots"] == 3,
        within_s=60,
        why="it has grown",
    )
    assert "consumes queue extra" in celeriac.output("workers", "add-consumer", "extra")
    assert "does not consume" in celeriac.output("workers", "cancel-consumer", "extra")
    assert "starts orders.charge at 5/m" in celeriac.output(
        *("workers", "rate-limit", "orders.charge", "5/m")
    )
    assert "limits orders.charge" in celeriac.output(
        *("workers", "time-limit", "orders.charge", "--hard", "60")
    )
    refused = celeriac.run("workers", "restart", "one@shop", "--yes")
    assert refused.exit_code == 1
    assert "one@shop refuses" in refused.output
    assert "drops it" in celeriac.output("tasks", "revoke", task_id, "--terminate", "--yes")
    celeriac.output("workers", "shutdown", "one@shop", "--yes")
    eventually(lambda: not process.is_running, within_s=60, why="it ends")


def test_a_worker_that_is_not_there(celeriac: Commands, worker: StartWorker) -> None:
    none = celeriac.run("workers", "show", "two@shop")
    assert none.exit_code == 2
    assert "no worker answers to 'two@shop'; no other one does either" in none.output
    worker("one", "celery")
    one = celeriac.run("workers", "shutdown", "two@shop", "--yes")
    assert one.exit_code == 2
    assert "these do: one@shop" in one.output


def test_a_broker_that_is_away() -> None:
    for words in (["queues", "list"], ["workers", "list"], ["tasks", "why", "x"]):
        found = CliRunner().invoke(application, [*words, "--broker", "redis://127.0.0.1:1/0"])
        assert found.exit_code == 3
        assert "Is the broker running" in found.output


def test_the_history_of_the_console_is_read_in_a_terminal(
    celeriac: Commands,
    console: StartConsole,
    worker: StartWorker,
    send: Send,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    missing = celeriac.run("tasks", "list")
    assert missing.exit_code == 2
    assert "`celeriac console --broker URL` keeps one" in missing.output
    worker("one", "celery")
    http, _ = console()
    eventually(has(http, "/workers/one@shop", "/queues/celery"), within_s=60, why="it answers")
    ids = [send("orders.charge", number) for number in range(4)]
    eventually(has(http, "/tasks?state=failed", ids[1], ids[3]), within_s=60, why="two fail")
    rows = json.loads(
        celeriac.output("tasks", "list", "state:failed", "task:orders.*", "-o", "json")
    )
    assert {row["uuid"] for row in rows} == {ids[1], ids[3]}
    assert "order 3 has no card" in celeriac.output("tasks", "list", "state:failed")
    shown = celeriac.output("tasks", "show", ids[1])
    for text in ("orders.charge", "failed on one@shop", "(1,)", "Traceback", "failing_app.py:"):
        assert text in shown
    (group,) = json.loads(celeriac.output("tasks", "failures", "-o", "json"))
    assert (group["name"], group["exception"], group["count"]) == ("orders.charge", "ValueError", 2)
    assert celeriac.run("tasks", "show", "nix").exit_code == 1
    assert "no filter 'colour'" in celeriac.run("tasks", "list", "colour:red").output
