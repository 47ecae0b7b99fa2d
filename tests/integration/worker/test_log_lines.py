"""Logs of real workers and of beat as JSON, a line each."""

import json
from typing import Any

import pytest
from celery import Celery

from tests.integration.processes import Process, StartBeat, StartWorker

APP = "tests.probe.application"
TASK = "probe_finalizer"
ARGUMENT = "no-line-holds-this"
JSON = {
    "CELERIAC_LOG_FORMAT": "json",
    "PYTHONWARNINGS": "ignore",  # Celery warns of root before it sets up its log
}
FIELDS = {"time", "level", "logger", "message"}


def lines(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.log.splitlines()]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_each_line_of_a_worker_is_json_and_names_its_task(
    start_worker: StartWorker, redis_url: str, pool: str
) -> None:
    worker = start_worker(pool=pool, concurrency=1, env=JSON, app=APP)
    with Celery(broker=redis_url, set_as_current=False) as application:
        sent = application.send_task(TASK, [ARGUMENT], queue="default")
    worker.wait_for("runtime_s")

    found = lines(worker)

    assert all(line.keys() >= FIELDS for line in found)
    [done] = [line for line in found if "runtime_s" in line]
    assert (done["task"], done["task_id"], done["level"]) == (TASK, sent.id, "info")
    fields = [{**line, "message": ""} for line in found]  # Celery's own text ends with the result
    assert ARGUMENT not in json.dumps(fields)


def test_beat_logs_in_the_same_format(start_beat: StartBeat) -> None:
    beat = start_beat(env=JSON, app=APP)
    beat.wait_for("beat: Starting")

    told = [json.loads(line) for line in beat.log.splitlines() if "Starting" in line]
    assert told
    assert all(line.keys() >= FIELDS for line in told)
