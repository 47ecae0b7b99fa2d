"""Metric families of pools. Pure."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from app.control.pool.status import ConditionStatus, PoolStatus
from app.control.pool.worker_pool import PoolKey

_LABELS = ("namespace", "pool")

_GAUGES: tuple[tuple[str, str, Callable[[PoolStatus], float | None]], ...] = (
    ("replicas", "What the pool is set to.", lambda status: status.replicas),
    ("ready_replicas", "Replicas that are ready.", lambda status: status.ready_replicas),
    (
        "desired_replicas",
        "What the pool should have by the last decision.",
        lambda status: status.desired_replicas,
    ),
    ("draining_replicas", "Replicas that are on their way out.", lambda s: s.draining_replicas),
    ("backlog", "Ready messages over all of the pool's queues.", lambda status: status.backlog),
    ("active_tasks", "Tasks that run.", lambda status: status.active_tasks),
    ("arrival_rate", "Messages that arrive, a second.", lambda status: status.arrival_rate),
    ("mean_runtime_seconds", "How long a task runs.", lambda status: status.mean_runtime_s),
    (
        "queue_wait_seconds",
        "How long the oldest ready message has waited.",
        lambda status: status.queue_wait_s,
    ),
    ("slots_per_replica", "Tasks that a replica runs at once.", lambda s: s.slots_per_replica),
)


def of_pools(statuses: Iterable[tuple[PoolKey, PoolStatus]]) -> Iterator[Metric]:
    """The figures and conditions of pools. What is not known has no sample."""
    pools = sorted(statuses, key=lambda each: each[0])
    for name, text, figure in _GAUGES:
        family = GaugeMetricFamily(f"celeriac_pool_{name}", text, labels=_LABELS)
        for key, status in pools:
            value = figure(status)
            if value is not None:
                family.add_metric([key.namespace, key.name], value)
        yield family
    yield _conditions(pools)


def _conditions(pools: Iterable[tuple[PoolKey, PoolStatus]]) -> Metric:
    family = GaugeMetricFamily(
        "celeriac_pool_condition",
        "1 where a condition holds, 0 where it does not; its reason, as in the pool's status.",
        labels=(*_LABELS, "type", "reason"),
    )
    for key, status in pools:
        for each in status.conditions:
            if each.status is not ConditionStatus.UNKNOWN:
                family.add_metric(
                    [key.namespace, key.name, each.type, each.reason],
                    float(each.status is ConditionStatus.TRUE),
                )
    return family
