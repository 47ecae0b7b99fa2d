"""From submit to first start, and the rate of submits, beside stock Celery's `.delay`.

Both run on the same Valkey with one warm worker each (prefork, 2 slots). A job is a row, a message
and a claim; a stock task is a message alone: what stands between the columns is the price of
tracking, of surviving the broker, and of HTTP.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import httpx2

from benchmarks.rig import servers

SUBMITS = 1000
CONNECTIONS = 4
LATENCY_SAMPLES = 100
PAUSE_S = 0.05
"""Between two samples, so that each finds the worker idle."""


def main() -> None:
    with servers.platform() as platform, httpx2.Client(base_url=platform.url, timeout=30) as api:
        ours_ms, stock_ms = _job_latencies_ms(api), _stock_latencies_ms()
        ours_s, stock_s = _job_submits_s(api), _stock_submits_s()
        side_by_side_s, batch_s = _side_by_side_s(platform.url), _batch_s(api)
    print("| | a job through the API | stock `.delay` | ratio |")
    print("|---|---|---|---|")
    for name, quantile in (("p50", 0.50), ("p95", 0.95)):
        ours, peer = _quantile(ours_ms, quantile), _quantile(stock_ms, quantile)
        print(f"| submit to start, {name} | {ours:.1f} ms | {peer:.1f} ms | {ours / peer:.1f} |")
    for how, taken_s in (
        ("in a row", ours_s),
        (f"over {CONNECTIONS} connections", side_by_side_s),
        ("in one batch", batch_s),
    ):
        ratio = taken_s / stock_s
        print(f"| {SUBMITS} submits {how} | {taken_s:.2f} s | {stock_s:.2f} s | {ratio:.1f} |")


def _quantile(values: list[float], quantile: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(quantile * 100) - 1]


def _submit(api: httpx2.Client, number: int) -> str:
    answer = api.post("/api/v1/jobs/noop", json={"params": {"number": number}})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _job_latencies_ms(api: httpx2.Client) -> list[float]:
    latencies = []
    for number in range(LATENCY_SAMPLES):
        began = time.time()
        job_id = _submit(api, number)
        job = api.get(f"/api/v1/jobs/{job_id}", params={"wait": 20}).json()
        started = datetime.fromisoformat(job["started_at"]).timestamp()
        latencies.append((started - began) * 1000)
        time.sleep(PAUSE_S)
    return latencies


def _stock_latencies_ms() -> list[float]:
    from benchmarks.rig import stock  # reads the address of its broker when loaded

    latencies = []
    for number in range(LATENCY_SAMPLES):
        began = time.time()
        stock.touch.delay(number)
        servers.wait_for(
            lambda: stock.log.hexists(stock.STARTS_KEY, str(number)),  # noqa: B023  called at once
            what="a start",
        )
        started = stock.log.hget(stock.STARTS_KEY, str(number))
        latencies.append((float(started or b"nan") - began) * 1000)
        time.sleep(PAUSE_S)
    return latencies


def _job_submits_s(api: httpx2.Client) -> float:
    began = time.perf_counter()
    for number in range(SUBMITS):
        _submit(api, number)
    return time.perf_counter() - began


def _side_by_side_s(url: str) -> float:
    with (
        httpx2.Client(base_url=url, timeout=30) as api,
        ThreadPoolExecutor(max_workers=CONNECTIONS) as pool,
    ):
        began = time.perf_counter()
        for _ in pool.map(partial(_submit, api), range(SUBMITS)):
            pass
        return time.perf_counter() - began


def _batch_s(api: httpx2.Client) -> float:
    body = {"jobs": [{"kind": "noop", "params": {"number": n}} for n in range(SUBMITS)]}
    began = time.perf_counter()
    api.post("/api/v1/jobs:batch", json=body).raise_for_status()
    return time.perf_counter() - began


def _stock_submits_s() -> float:
    from benchmarks.rig import stock  # as above

    began = time.perf_counter()
    for number in range(SUBMITS):
        stock.touch.delay(LATENCY_SAMPLES + number)
    return time.perf_counter() - began
