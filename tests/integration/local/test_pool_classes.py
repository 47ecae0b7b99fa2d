"""Workers of every pool class run all of their slots at once and lose nothing."""

import re
from pathlib import Path

import pytest
from celery import Celery

from tests.integration import foreign_application
from tests.integration.foreign_application import environment_of_naps
from tests.integration.local.conftest import StartUp
from tests.tools import celery_versions
from tests.waiting import eventually

SLOTS = 10
TASKS = 20
CUSTOM = "tests.integration.local.pool_classes:Pool"

MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata:
  name: naps
  annotations: {ANNOTATIONS}
spec:
  scaleTargetRef: {name: somewhere-else}
  queues: [naps]
  concurrency: 10
  maxReplicas: 1
  pollingIntervalSeconds: 1
"""

BY_MANIFEST = "celeriac.dev/celery-pool: "


@pytest.mark.parametrize(
    ("annotations", "conf", "environment", "version"),
    [
        pytest.param(f"{BY_MANIFEST}gevent", {}, {}, "5.7.0", id="gevent"),
        pytest.param(f"{BY_MANIFEST}eventlet", {}, {}, "5.2.7", id="eventlet"),
        pytest.param(f"{BY_MANIFEST}{CUSTOM!r}", {}, {}, "5.7.0", id="a class of the manifest"),
        pytest.param("", {"worker_pool": "gevent"}, {}, "5.2.7", id="the application says gevent"),
        pytest.param("", {"worker_pool": CUSTOM}, {}, "5.2.7", id="the application names a class"),
        pytest.param(
            f"{BY_MANIFEST}custom",
            {},
            {"CELERY_CUSTOM_WORKER_POOL": CUSTOM},
            "5.7.0",
            id="the environment names a class",
        ),
    ],
)
def test_a_pool_class_runs_all_slots_at_once_and_loses_nothing(
    annotations: str,
    conf: dict[str, str],
    environment: dict[str, str],
    version: str,
    start_up: StartUp,
    tmp_path: Path,
) -> None:
    manifest = tmp_path / "pools.yaml"
    manifest.write_text(MANIFEST.replace("ANNOTATIONS", annotations))
    up = start_up(
        env={**environment_of_naps(tmp_path, **conf), **environment},
        celery_app=foreign_application.APP,
        python=str(celery_versions.python(version)),
        pool_files=[str(manifest)],
    )
    up.wait_until_up()
    held = tmp_path / "held"
    held.touch()

    with Celery(broker=up.broker_url) as celery:
        for number in range(TASKS):
            celery.send_task("hold", args=(number, str(held)), queue="naps")
        eventually(lambda: len(_numbers(tmp_path, "begin")) == SLOTS, why="all slots are in use")
        assert _numbers(tmp_path, "end") == []
        held.unlink()
        eventually(lambda: len(_numbers(tmp_path, "end")) == TASKS, why="all tasks end")

    assert sorted(_numbers(tmp_path, "begin")) == list(range(TASKS))


def test_the_console_says_why_a_worker_ends_at_once(start_up: StartUp, tmp_path: Path) -> None:
    manifest = tmp_path / "pools.yaml"
    manifest.write_text(MANIFEST.replace("ANNOTATIONS", f"{BY_MANIFEST}'nowhere.at.all:Pool'"))
    up = start_up(
        env=environment_of_naps(tmp_path),
        celery_app=foreign_application.APP,
        pool_files=[str(manifest)],
    )
    up.wait_until_up()

    with Celery(broker=up.broker_url) as celery:
        celery.send_task("nap", args=(1, 0), queue="naps")

    told = r"worker naps-1 died \(exit code \d+; the last line of its log: .*nowhere"
    eventually(lambda: re.search(told, up.output), why="the console says why")


def _numbers(folder: Path, what: str) -> list[int]:
    records = folder / "records"
    lines = records.read_text().splitlines() if records.exists() else []
    found = [line.split() for line in lines]
    return [int(number) for kind, number, *_ in found if kind == what]
