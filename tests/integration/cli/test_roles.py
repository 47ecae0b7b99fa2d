"""The roles as processes, started as an operator of a platform starts them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests import waiting
from tests.integration.command_line import CommandLine
from tests.integration.processes import Process
from tests.ports import free_port

Start = Callable[..., Process]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """`start("api", "--port", "8000")` -> the process of that command."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        process = Process(
            [sys.executable, "-m", "app", *arguments],
            environment={**os.environ, **environment},
            log=tmp_path / f"{arguments[0]}.log",
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        print(process.log)  # noqa: T201  # pytest shows it when a test fails


def test_api_and_worker_do_a_job(start: Start) -> None:
    port = free_port()
    queues = [part for name in ("default", "download", "cleanup") for part in ("--queue", name)]
    api = start("api", "--port", str(port))
    worker = start("worker", *queues, "--pool", "threads", "--without-gossip")
    api.wait_for("Uvicorn running", within_s=60)
    worker.wait_for(" ready.", within_s=60)
    celeriac = CommandLine(f"http://127.0.0.1:{port}")
    assert celeriac.output("jobs", "submit", "probe", "--wait").endswith(" succeeded\n")
    assert worker.stop() == 0


def test_servers_of_several_processes_refuse_a_bad_setting_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Each of them failed with a traceback, and was started again without end."""
    (tmp_path / "broken_pipeline.py").write_text("raise RuntimeError('boom')")
    given = {"CELERIAC_PIPELINES": "broken_pipeline", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "app", "api", "--workers", "2", "--port", str(free_port())],
        env={**os.environ, **environment, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "celeriac: the module 'broken_pipeline' of CELERIAC_PIPELINES cannot be imported: "
        "RuntimeError: boom\n",
    )


def test_the_api_ends_although_somebody_follows_a_job(start: Start) -> None:
    port = free_port()
    api = start("api", "--port", str(port))
    api.wait_for("Uvicorn running", within_s=60)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as http:
        job = http.post("/jobs/probe", json={"params": {}}).json()
        with http.stream("GET", f"/jobs/{job['id']}/events") as answer:
            next(answer.iter_text())
            api.stop(within_s=15)
    assert not api.is_running


def test_beat_runs(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = tmp_path / "alive"
    monkeypatch.setenv("CELERIAC_LIVENESS_FILE", str(alive))
    beat = start("beat", "--schedule", str(tmp_path / "schedule"), "--pidfile", "")
    waiting.eventually(alive.exists, within_s=60, why="its threads run")
    assert beat.stop() == 0


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["app", "worker", "--queue", "default"], id="celeriac worker"),
        pytest.param(["app", "api", "--port", "0"], id="celeriac api"),
        pytest.param(["celery", "-A", "app.celery_app", "beat"], id="celery beat"),
        pytest.param(["uvicorn", "app.main:app", "--port", "0"], id="uvicorn"),
    ],
)
@pytest.mark.parametrize(
    ("setting", "want"),
    [
        pytest.param({"CELERIAC_SCHEDULES": "{bad"}, "the setting CELERIAC_SCHEDULES", id="JSON"),
        pytest.param(
            {"CELERIAC_PIPELINES": "tests.nowhere"},
            "the module 'tests.nowhere' of CELERIAC_PIPELINES cannot be imported",
            id="no module",
        ),
    ],
)
def test_a_bad_setting_is_one_sentence(
    environment: dict[str, str], command: list[str], setting: dict[str, str], want: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **environment, **setting},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"celeriac: {want}")
    assert len(done.stderr.splitlines()) == 1
