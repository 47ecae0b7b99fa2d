"""The commands find the `celeriac up` of their data folder, whatever application it runs."""

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from celery import Celery

from app.cli import application
from tests.integration import foreign_application
from tests.integration.foreign_application import environment_of_naps
from tests.integration.local.conftest import StartUp, Up
from tests.waiting import eventually

MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata:
  name: naps
  annotations: {celeriac.dev/paussed: "true", celeriac.dev/celery-pool: threads}
spec:
  scaleTargetRef: {name: somewhere-else}
  queues: [naps, more]
"""


@dataclass(frozen=True)
class Ran:
    code: int
    output: str
    errors: str


def run(*arguments: str) -> Ran:
    """`celeriac ...`, in this process."""
    output, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", ["celeriac", *arguments])
        with pytest.raises(SystemExit) as ended:
            application.main()
    return Ran(int(ended.value.code or 0), output.getvalue(), errors.getvalue())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data"
    monkeypatch.setenv("CELERIAC_DATA_DIR", str(path))
    return path


def start_foreign(start_up: StartUp, folder: Path) -> Up:
    manifest = folder.parent / "pools.yaml"
    manifest.write_text(MANIFEST)
    up = start_up(
        env=environment_of_naps(folder.parent),
        celery_app=foreign_application.APP,
        pool_files=[str(manifest)],
    )
    up.wait_until_up()
    return up


def test_pools_and_queues_of_another_application_are_shown(start_up: StartUp, folder: Path) -> None:
    up = start_foreign(start_up, folder)
    with Celery(broker=up.broker_url) as celery:
        celery.send_task("nap", args=(1, 0), queue="naps")

    eventually(lambda: "naps" in run("pools", "list", "--local").output, why="the pool is shown")
    explained = run("pools", "explain", "naps", "--local").output
    assert "why:" in explained
    assert "the annotation celeriac.dev/paussed has no effect" in explained
    listed = run("queues", "list").output.splitlines()
    assert [line.split()[0] for line in listed] == ["QUEUE", "naps", "more"]
    up.process.wait_for("the annotation celeriac.dev/paussed has no effect")  # on the console too
    assert "celery-pool has no effect" not in up.output

    refused = run("jobs", "list")
    assert (refused.code, refused.output) == (1, "")
    assert "runs another Celery application, which has no API" in refused.errors

    assert up.stop() == 0
    assert "start one with 'celeriac up'" in run("queues", "list").errors


def test_the_api_of_a_running_platform_is_found_at_any_port(
    start_up: StartUp, folder: Path
) -> None:
    up = start_up(is_api_only=True)
    up.wait_until_up()
    job = up.submit("probe")

    assert job in run("jobs", "list").output
    assert "documents" in run("queues", "list").output
    assert run("pools", "list", "--local").code == 0


def test_env_names_the_broker_with_its_password_which_strangers_lack(
    start_up: StartUp, folder: Path
) -> None:
    up = start_foreign(start_up, folder)
    up.wait_until_up()
    exported = dict(
        line.removeprefix("export ").split("=", 1) for line in run("env").output.splitlines()
    )
    assert exported == {"CELERY_BROKER_URL": up.broker_url}
    assert redis.Redis.from_url(exported["CELERY_BROKER_URL"]).ping()
    entry, _, place = up.broker_url.rpartition("@")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"redis://{place}").ping()
    assert entry not in up.output


def test_env_says_when_there_is_nothing_to_name(folder: Path) -> None:
    found = run("env")
    assert (found.code, found.output) == (1, "")
    assert "no 'celeriac up' runs in" in found.errors
