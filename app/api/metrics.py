"""What the API counts of its requests, and what it tells of jobs and pools when it is scraped."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.links import PREFIX
from app.broker.connection import Connection
from app.control.pool.worker_pool import PoolKey
from app.control.report import metrics as pool_metrics
from app.control.report import pool_snapshot as board
from app.errors import CeleriacError
from app.jobs.model.job import Job, JobRequest
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from app.jobs.store.job_store import JobFilter

UNMATCHED = "(none)"
"""The route of a request that no route answers: paths are the caller's and would have no bound."""
JOB_COUNTS_KEPT_S = 10.0
"""Counting a million jobs takes a tenth of a second: scrapes within this share one count."""
LOCAL = "local"
"""The namespace of pools that run on this machine."""


class ApiMetrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "celeriac_http_requests",
            "Requests that were answered.",
            labelnames=("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "celeriac_http_request_duration_seconds",
            "From the request to the first byte of its answer.",
            labelnames=("method", "route"),
            registry=self.registry,
        )
        self.accepted = Counter(
            "celeriac_jobs_accepted",
            "Jobs that were asked for and accepted, repeats of an idempotent request included.",
            labelnames=("pipeline",),
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)


class Measured:
    """Counts requests by the template of their route."""

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics, clock: Callable[[], float]) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_at_s = self._clock()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], self._clock() - begun_at_s)
            await send(message)

        await self._app(scope, receive, counted)

    def _count(self, scope: Scope, status: int, duration_s: float) -> None:
        route = route_template(scope)
        method = scope["method"] if route != UNMATCHED else UNMATCHED
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.latency.labels(method, route).observe(duration_s)


def route_template(scope: Scope) -> str:
    """The path of the route that answers, with names for what differs from request to request. The
    routes under our prefix do not know of it themselves."""
    template = getattr(scope.get("route"), "path_format", None)
    if template is None:
        return UNMATCHED
    is_versioned = scope["path"].startswith(f"{PREFIX}/") and not template.startswith(PREFIX)
    return f"{PREFIX}{template}" if is_versioned else str(template)


class CountedJobs(Jobs):
    """Jobs whose acceptance is counted."""

    def __init__(self, platform: Platform, metrics: ApiMetrics) -> None:
        super().__init__(platform)
        self._metrics = metrics

    def submit_many(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        """As `Jobs.submit_many`."""
        accepted = super().submit_many(requests)
        for job in accepted:
            self._metrics.accepted.labels(job.pipeline).inc()
        return accepted


class JobCounts:
    """Jobs by state, counted now and then."""

    def __init__(self, platform: Platform, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._platform = platform
        self._clock = clock
        self._lock = asyncio.Lock()
        self._counted_at_s = 0.0
        self._families: tuple[Metric, ...] = ()

    async def families(self) -> tuple[Metric, ...]:
        """Nothing where the database does not answer: what is not known has no sample."""
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
            "celeriac_jobs", "Jobs there are, by pipeline and state.", labels=["pipeline", "state"]
        )
        dead = GaugeMetricFamily(
            "celeriac_dead_letters",
            "Jobs that failed for good and wait for somebody to look at them.",
            labels=["pipeline"],
        )
        store = self._platform.jobs
        for kind in self._platform.registry:
            for state, count in store.counts_by_state(JobFilter(pipeline=kind)).items():
                jobs.add_metric([kind, state], count)
            buried = store.counts_by_state(JobFilter(pipeline=kind, is_dead_lettered=True))
            dead.add_metric([kind], sum(buried.values()))
        return jobs, dead


async def of_local_pools(broker: Connection) -> Iterable[Metric]:
    """The pools that a loop on this machine has posted; the operator serves its own."""
    try:
        async with broker.asking() as client:
            posted = await client.get(board.KEY)
        pools = board.parse_text(posted).pools if posted is not None else {}
    except CeleriacError:
        return ()
    statuses = [
        (PoolKey(namespace=LOCAL, name=name), status) for name, status in sorted(pools.items())
    ]
    return pool_metrics.of_pools(statuses) if statuses else ()
