"""A burst on a platform whose pools are at zero: how long until they work, beside a warm one.

The peer is the same burst a second time, while the workers of the first are still there: what
stands between the rows is the price of keeping nothing running.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests import up as platforms
from tests.up import Up
from tests.waiting import eventually

JOBS = 40


def main() -> None:
    settings = {"CELERIAC_PIPELINES": "benchmarks.rig.noop"}
    with (
        tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder,
        platforms.running(Path(folder), settings=settings, arguments=["--cooldown", "30"]) as up,
    ):
        cold = _burst(up)
        warm = _burst(up)
    print(f"| {JOBS} jobs at once | pool at zero | pool warm | ratio |")
    print("|---|---|---|---|")
    for name, first, second in zip(("first start", "median start"), cold, warm, strict=True):
        print(f"| {name} after | {first:.2f} s | {second:.2f} s | {first / second:.0f} |")


def _burst(up: Up) -> tuple[float, float]:
    """Seconds from the submit to the first start and to the median start."""
    body = {"jobs": [{"kind": "noop", "params": {"number": number}} for number in range(JOBS)]}
    began = time.time()
    accepted = up.http.post("/api/v1/jobs:batch", json=body).json()["items"]
    ids = [job["id"] for job in accepted]
    eventually(lambda: all(up.job(job_id)["done"] for job_id in ids), within_s=120)
    starts = _starts([up.job(job_id)["started_at"] for job_id in ids])
    return starts[0] - began, statistics.median(starts) - began


def _starts(texts: Sequence[str]) -> list[float]:
    return sorted(datetime.fromisoformat(text).timestamp() for text in texts)
