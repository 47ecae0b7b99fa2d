"""Everything that speaks to the broker goes on when Sentinels name another master (issue 9)."""

import asyncio
import base64
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.broker.model import BrokerReading
from app.control.pool import worker_pool as pools
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.errors import BrokerUnreachable
from app.operator.resources.broker_links import KubernetesBrokers
from app.operator.resources.secrets import Secrets
from app.queues import QueueName
from tests.integration import sentinels
from tests.integration.foreign_application import environment_of_naps
from tests.integration.local import conftest as local
from tests.integration.local.conftest import Up
from tests.integration.operator.objects import Objects
from tests.integration.operator.serving import serving
from tests.integration.processes import Process
from tests.integration.sentinels import Watched
from tests.waiting import eventually

LISTENING = re.compile(r'"port": (\d+)')
SECRETS = (sentinels.PASSWORD, "s3cr3t", sentinels.SENTINEL_PASSWORD)

MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata: {name: naps}
spec:
  scaleTargetRef: {kind: Process, name: naps}
  broker: {masterName: main}
  queues: [naps]
  concurrency: 2
  maxReplicas: 2
  pollingIntervalSeconds: 1
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with sentinels.watching(tmp_path_factory.mktemp("sentinels")) as found:
        yield found


@pytest.fixture
def up(watched: Watched, tmp_path: Path) -> Iterator[Up]:
    with local.starting(tmp_path) as start:
        found = start(env=watched.environment, stop_grace_s=1)
        found.wait_until_up()
        yield found


@pytest.fixture
def exporter(watched: Watched, tmp_path: Path) -> Iterator[Process]:
    process = Process(
        [sys.executable, "-m", "app", "exporter", "--port", "0", "--log-format", "json"],
        environment={**os.environ, **watched.environment},
        log=tmp_path / "exporter.log",
    )
    try:
        process.wait_for("exporter runs")
        yield process
    finally:
        process.kill()


def is_broker_up(exporter: Process) -> bool:
    found = LISTENING.search(exporter.log)
    assert found is not None
    metrics = httpx2.get(f"http://127.0.0.1:{found.group(1)}/metrics", timeout=30).text
    return "celery_broker_up 1.0" in metrics


class Operator:
    """The operator's way to the broker: its URL and a password are keys of a Secret."""

    def __init__(self, watched: Watched, account: Path) -> None:
        self._account = account
        (account / "token").write_text("first\n")
        keys = {"url": watched.url, "guards": sentinels.SENTINEL_PASSWORD}
        data = {name: base64.b64encode(text.encode()).decode() for name, text in keys.items()}
        self._objects = Objects({"/api/v1/namespaces/shop/secrets/broker": {"data": data}})
        spec = {
            "scaleTargetRef": {"name": "x"},
            "queues": ["default"],
            "broker": {
                "secretKeyRef": {"name": "broker"},
                "masterName": sentinels.MASTER,
                "sentinel": {"passwordKey": "guards", "tls": True},
            },
        }
        self._pool = WorkerPool(key=PoolKey("shop", "mail"), spec=pools.parse_spec(spec))

    async def observe(self, until: "asyncio.Event", seen: list[BrokerReading | None]) -> None:
        """Read each tick, as the loop does; `None` is an outage."""
        async with serving(self._objects.handle, self._account) as server:
            secrets = Secrets(server, clock=time.time)
            brokers = KubernetesBrokers(secrets, own_url=None, clock=time.time)
            try:
                while not until.is_set():
                    seen.append(await self._read(brokers))
                    await asyncio.sleep(0.1)
            finally:
                await brokers.close()

    async def _read(self, brokers: KubernetesBrokers) -> BrokerReading | None:
        broker = await brokers.find(self._pool)
        try:
            return await broker.queues.read([QueueName("default")])
        except BrokerUnreachable:
            return None


def test_local_pools_learn_the_master_from_their_manifests(
    watched: Watched, tmp_path: Path
) -> None:
    manifest = tmp_path / "pools.yaml"
    manifest.write_text(MANIFEST)
    environment = {
        name: value
        for name, value in watched.environment.items()
        if name != "CELERIAC_SENTINEL_MASTER"
    }
    with local.starting(tmp_path) as start:
        up = start(
            env={**environment, **environment_of_naps(tmp_path)},
            celery_app="tests.integration.sentinel_app",
            pool_files=[str(manifest)],
        )
        up.wait_until_up()
        publish(watched, tmp_path)
        records = tmp_path / "records"
        eventually(
            lambda: records.exists() and records.read_text().count("end") == 4, why="all tasks end"
        )
        assert up.stop() == 0


def publish(watched: Watched, folder: Path) -> None:
    """By a process: the application reads its settings when it is imported."""
    code = "from tests.integration.sentinel_app import app\nfor n in range(4): "
    code += "app.send_task('nap', args=(n, 0.1), queue='naps')"
    process = Process(
        [sys.executable, "-c", code],
        environment={**os.environ, **watched.environment},
        log=folder / "publisher.log",
    )
    try:
        eventually(lambda: not process.is_running, why="it has published")
        assert process.exit_code == 0, process.log
    finally:
        process.kill()


def test_a_killed_master_costs_no_job(
    watched: Watched, up: Up, exporter: Process, tmp_path: Path
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    operator = Operator(watched, account)

    async def scenario() -> list[str]:
        over, seen = asyncio.Event(), list[BrokerReading | None]()
        observing = asyncio.create_task(operator.observe(over, seen))
        await asyncio.to_thread(lambda: eventually(lambda: is_broker_up(exporter), why="it is up"))
        plan = {"plan": {"probe_first": ["sleep:0.5"]}}
        jobs = [await asyncio.to_thread(up.submit, "probe", **plan) for _ in range(12)]
        await asyncio.to_thread(
            lambda: eventually(lambda: seen and _has_workers(seen[-1]), why="workers are seen")
        )
        former = await asyncio.to_thread(watched.kill_master)
        jobs += [await asyncio.to_thread(up.submit, "probe", **plan) for _ in range(12)]
        await asyncio.to_thread(watched.wait_for_another_master, former)
        states = [(await asyncio.to_thread(up.finished, job))["state"] for job in jobs]
        outage = len(seen)
        await asyncio.to_thread(
            lambda: eventually(lambda: is_broker_up(exporter), why="the exporter is back")
        )
        await asyncio.to_thread(
            lambda: eventually(lambda: seen[outage:] and seen[-1], why="the operator is back")
        )
        over.set()
        await observing
        assert None in seen
        return states

    states = asyncio.run(scenario())

    assert states == ["succeeded"] * 24
    assert up.api.get("/readyz").status_code == 200
    assert up.stop() == 0
    logs = [*(up.data_dir / "logs").glob("*.log"), up.process.log_path, exporter.log_path]
    told = {
        path.name: secret
        for path in logs
        for secret in SECRETS
        if secret in path.read_text(errors="replace")
    }
    assert (told, len(logs) > 5) == ({}, True)


def _has_workers(reading: BrokerReading | None) -> bool:
    return reading is not None and bool(reading.heartbeats)
