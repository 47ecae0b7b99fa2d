"""Metrics of the API: requests of this process, jobs by state, and the pools of this machine."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable

from kombu.utils.encoding import bytes_to_str
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.broker.connections.connection import Connection
from app.control.pool.worker_pool import PoolKey
from app.control.report import metrics as pool_metrics
from app.control.report import pool_snapshot
from app.errors import CeleriacError
from app.jobs.model.job import Job
from app.jobs.publish import refusals
from app.jobs.publish.refusals import MessageRefusal
from app.jobs.service import Jobs
from app.jobs.store.job_store import JobFilter

JOB_COUNTS_KEPT_S = 10.0
"""Counting a million jobs takes 0.1 s: scrapes within this time share one count."""
LOCAL = "local"
"""The namespace label of pools on this machine."""


class ApiMetrics:
    """Counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "celeriac_http_requests",
            "Requests answered.",
            labelnames=("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "celeriac_http_request_duration_seconds",
            "Time from the request to the first byte of its response.",
            labelnames=("method", "route"),
            registry=self.registry,
        )
        self.accepted = Counter(
            "celeriac_jobs_accepted",
            "Jobs accepted, including repeated idempotent requests.",
            labelnames=("pipeline",),
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def count_accepted(self, *jobs: Job) -> None:
        for job in jobs:
            self.accepted.labels(job.pipeline).inc()


class JobCounts:
    """Jobs by state, counted at most once in `JOB_COUNTS_KEPT_S`."""

    def __init__(
        self,
        jobs: Jobs,
        kinds: Collection[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._kinds = kinds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._counted_at_s = 0.0
        self._families: tuple[Metric, ...] = ()

    async def families(self) -> tuple[Metric, ...]:
        """Empty if the database does not answer: an unknown value has no sample."""
        async with self._lock:
            if not self._families or self._clock() - self._counted_at_s > JOB_COUNTS_KEPT_S:
                try:
                    self._families = await asyncio.to_thread(self._count)
                except CeleriacError:
                    return ()
                self._counted_at_s = self._clock()
            return self._families

    def _count(self) -> tuple[Metric, ...]:
        jobs = GaugeMetricFamily(
            "celeriac_jobs", "Jobs by pipeline and state.", labels=["pipeline", "state"]
        )
        dead = GaugeMetricFamily(
            "celeriac_dead_letters",
            "Dead-lettered jobs by pipeline.",
            labels=["pipeline"],
        )
        for kind in self._kinds:
            for state, count in self._jobs.counts_by_state(JobFilter(pipeline=kind)).items():
                jobs.add_metric([kind, state], count)
            dead_lettered = self._jobs.counts_by_state(
                JobFilter(pipeline=kind, is_dead_lettered=True)
            )
            dead.add_metric([kind], sum(dead_lettered.values()))
        return jobs, dead


async def of_refused_messages(broker: Connection) -> Iterable[Metric]:
    """What the workers have refused, as they counted it."""
    family = CounterMetricFamily(
        "celeriac_messages_refused",
        "Messages that workers refused, by reason.",
        labels=["reason"],
    )
    try:
        async with broker.asking() as client:
            found = await client.hgetall(refusals.COUNTS_KEY)
    except CeleriacError:
        return ()
    counted = {bytes_to_str(name): int(count) for name, count in found.items()}
    for reason in MessageRefusal:
        family.add_metric([reason.value], counted.get(reason.value, 0))
    return (family,)


async def of_local_pools(broker: Connection) -> Iterable[Metric]:
    """The pools of this machine, as their control loop published them. The operator has metrics of
    its own."""
    try:
        async with broker.asking() as client:
            published = await client.get(pool_snapshot.KEY)
        pools = pool_snapshot.parse_snapshot(published).pools if published is not None else {}
    except CeleriacError:
        return ()
    statuses = [
        (PoolKey(namespace=LOCAL, name=name), status) for name, status in sorted(pools.items())
    ]
    return pool_metrics.of_pools(statuses) if statuses else ()
