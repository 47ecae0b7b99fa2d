"""The operator's own metrics: its loop, and the pools as of the last tick."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import Metric

from app.control.pool.status import PoolStatus
from app.control.pool.worker_pool import PoolKey
from app.control.ports import Tick
from app.control.report import metrics
from app.operator.kubernetes.responses import WriteOutcome
from app.telemetry import scraping

DRAIN_BOUNDS_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
TICK_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

WRITTEN = ("scale", "pods", "status", "events", "leases")
"""The resources that are written. Each has a sample from the start, so that a rate counts all."""


class OperatorMetrics:
    """Updated by the loop, and scraped in a thread of its own."""

    def __init__(self) -> None:
        self._statuses: Mapping[PoolKey, PoolStatus] = {}
        self.registry = CollectorRegistry()
        self._ticks = Histogram(
            "celeriac_operator_tick_duration_seconds",
            "Duration of a tick of the loop.",
            buckets=TICK_BOUNDS_S,
            registry=self.registry,
        )
        self._last_tick = Gauge(
            "celeriac_operator_last_tick_timestamp_seconds",
            "End of the last tick of the loop.",
            registry=self.registry,
        )
        self.leads = Gauge(
            "celeriac_operator_leads",
            "1 while this process may act, 0 while it stands by.",
            registry=self.registry,
        )
        self.ready = Gauge(
            "celeriac_operator_ready",
            "1 while this process can work; the log has the reason when it cannot.",
            registry=self.registry,
        )
        self._drains = Histogram(
            "celeriac_operator_drain_duration_seconds",
            "Duration of drains, by outcome.",
            labelnames=("outcome",),
            buckets=DRAIN_BOUNDS_S,
            registry=self.registry,
        )
        self._pools = Gauge("celeriac_operator_pools", "Number of pools.", registry=self.registry)
        self._failures = Counter(
            "celeriac_operator_pool_failures",
            "Evaluations of a pool that ended in an unexpected error.",
            registry=self.registry,
        )
        self._unreachable = Gauge(
            "celeriac_operator_unreachable_brokers",
            "Brokers that did not answer in the last tick.",
            registry=self.registry,
        )
        self._writes = Counter(
            "celeriac_operator_writes",
            "Writes to the API server, by resource and outcome.",
            labelnames=("resource", "outcome"),
            registry=self.registry,
        )
        for resource in WRITTEN:
            for outcome in WriteOutcome:
                self._writes.labels(resource, outcome.value)
        self.registry.register(scraping.Collected(self._of_pools))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def observe(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Record one tick of the loop."""
        self._statuses = dict(statuses)
        self._ticks.observe(tick.duration_s)
        self._last_tick.set(tick.ended_at_s)
        self._pools.set(tick.pools)
        self._failures.inc(len(tick.failed))
        self._unreachable.set(len(tick.unreachable))
        for end in tick.drained:
            self._drains.labels(end.outcome.value).observe(end.duration_s)

    def count_write(self, resource: str, outcome: WriteOutcome) -> None:
        """Count one write."""
        self._writes.labels(resource, outcome.value).inc()

    def serving(self, *, host: str, port: int | None) -> AbstractContextManager[int | None]:
        """Serve the metrics while the block runs, if there is a port. Raises InvalidInput."""
        return (
            nullcontext() if port is None else scraping.serving(self.registry, host=host, port=port)
        )

    def _of_pools(self) -> Iterable[Metric]:
        return metrics.of_pools(self._statuses.items())
