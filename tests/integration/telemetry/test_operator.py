"""The operator's metrics, fed as its loop feeds them and scraped over HTTP."""

import asyncio
import os
import sys
import urllib.request
from pathlib import Path

import pytest
from aiohttp import web

from app.control.pool.status import Condition, ConditionStatus, ConditionType
from app.control.pool.worker_pool import PoolKey
from app.control.ports import BrokerKey, DrainEnd, DrainOutcome, InstanceName, Tick
from app.errors import InvalidInput
from app.operator.kubernetes.responses import WriteOutcome
from app.operator.metrics import OperatorMetrics
from tests.integration.operator import serving
from tests.integration.processes import Process
from tests.integration.telemetry import scrape
from tests.integration.telemetry.scrape import key
from tests.pool_status import build_pool_status
from tests.ports import free_port

SHOP = PoolKey(namespace="shop", name="orders")

STATUS = build_pool_status(
    desired_replicas=3,
    arrival_rate=0.5,
    queue_wait_s=4.0,
    slots_per_replica=2,
    conditions=(
        Condition(
            type=ConditionType.SCALING_LIMITED,
            status=ConditionStatus.TRUE,
            reason="TooManyReplicas",
            message="",
            last_transition_at_s=0.0,
        ),
    ),
)

TICK = Tick(
    ended_at_s=1000.0,
    duration_s=0.02,
    pools=1,
    reconciled=1,
    failed=(SHOP,),
    unreachable=(BrokerKey("redis:6379/0"),),
    drained=(
        DrainEnd(replica=InstanceName("a"), outcome=DrainOutcome.REMOVED, duration_s=12.0),
        DrainEnd(replica=InstanceName("b"), outcome=DrainOutcome.WOKEN, duration_s=3.0),
    ),
)


def test_a_scrape_tells_of_the_loop_and_of_every_pool() -> None:
    metrics = OperatorMetrics()
    metrics.observe(TICK, {SHOP: STATUS})
    metrics.observe(TICK, {SHOP: STATUS})
    metrics.count_write("scale", WriteOutcome.REFUSED)
    with metrics.serving(host="127.0.0.1", port=0) as port:
        found = scrape.samples(f"http://127.0.0.1:{port}/metrics")
    pool = {"namespace": "shop", "pool": "orders"}
    want = {
        key("celeriac_operator_tick_duration_seconds_count"): 2,
        key("celeriac_operator_last_tick_timestamp_seconds"): 1000,
        key("celeriac_operator_pool_failures_total"): 2,
        key("celeriac_operator_unreachable_brokers"): 1,
        key("celeriac_operator_drain_duration_seconds_sum", outcome="removed"): 24,
        key("celeriac_operator_drain_duration_seconds_count", outcome="woken"): 2,
        key("celeriac_operator_writes_total", resource="scale", outcome="refused"): 1,
        key("celeriac_operator_writes_total", resource="scale", outcome="accepted"): 0,
        key("celeriac_pool_replicas", **pool): 2,
        key("celeriac_pool_ready_replicas", **pool): 1,
        key("celeriac_pool_desired_replicas", **pool): 3,
        key("celeriac_pool_backlog", **pool): 7,
        key("celeriac_pool_condition", type="ScalingLimited", reason="TooManyReplicas", **pool): 1,
    }
    assert {name: found.get(name) for name in want} == want
    assert key("celeriac_pool_active_tasks", **pool) not in found  # not known is not zero


def test_a_port_that_is_taken_is_refused_in_a_sentence() -> None:
    metrics = OperatorMetrics()
    with (
        metrics.serving(host="127.0.0.1", port=0) as port,
        pytest.raises(InvalidInput, match=f"cannot listen on 127.0.0.1:{port}"),
        metrics.serving(host="127.0.0.1", port=port),
    ):
        pass


async def empty_cluster(request: web.Request) -> web.StreamResponse:
    """A cluster with a WorkerPool kind and no object at all; its watches stay open."""
    if "watch" in request.query:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await asyncio.sleep(3600)  # the client, or the end of the server, cuts it
        return stream
    listing = {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []}
    return web.json_response({**listing, "groups": [], "resources": [POOLS], "versions": []})


POOLS = {
    "name": "workerpools",
    "singularName": "workerpool",
    "kind": "WorkerPool",
    "namespaced": True,
    "verbs": ["get", "list", "watch", "patch"],
}


def test_the_operator_serves_its_metrics_as_it_runs(tmp_path: Path) -> None:
    port, health = free_port(), free_port()
    tick = key("celeriac_operator_tick_duration_seconds_count")
    (tmp_path / "token").write_text("none")

    async def scenario() -> None:
        async with serving.serving(empty_cluster, tmp_path):
            process = Process(
                [
                    *(sys.executable, "-m", "app", "operator", "--namespace", "shop"),
                    *("--metrics-port", str(port), "--log-format", "text"),
                    *("--liveness", f"http://127.0.0.1:{health}/healthz"),
                ],
                environment={**os.environ, "KUBECONFIG": str(tmp_path / "config")},
                log=tmp_path / "operator.log",
            )
            try:
                await asyncio.to_thread(process.wait_for, "operator runs")
                url = f"http://127.0.0.1:{port}/metrics"
                await asyncio.to_thread(scrape.eventually, url, lambda found: found[tick] > 2)
                for path, want in (
                    ("/healthz", '"isLeading": true'),
                    ("/readyz", '"problems": []'),
                ):
                    probe = f"http://127.0.0.1:{health}{path}"
                    answer = await asyncio.to_thread(urllib.request.urlopen, probe)
                    assert want in answer.read().decode()
                assert await asyncio.to_thread(process.stop) == 0
            finally:
                process.kill()
        assert "GET /" not in (tmp_path / "operator.log").read_text()  # probes leave no line

    asyncio.run(scenario())
