"""The worker pools of this machine: one for each queue, or those in manifests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.control.pool import worker_pool as pools
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.errors import InvalidInput
from app.local.plan.celery_pools import PoolStart
from app.queues import PoolKind, Queue

NAMESPACE = "local"
POLLING_S = 1
STABILIZATION_LIMIT_S = 30

NAME_LIMIT = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPool:
    """A pool, and the pool class of its workers."""

    pool: WorkerPool
    celery_pool: str | None = None
    """Celery's pool class, by name or dotted path; `None` for the application's own."""

    @property
    def name(self) -> str:
        return self.pool.key.name

    def worker_arguments(self, node: str, *, start: PoolStart, log_level: str) -> list[str]:
        """Arguments of `celery`. Heartbeats stay on, since the loop needs them. Gossip and mingle
        are off, since every start would wait for the other workers."""
        slots = self.pool.spec.concurrency
        return [
            "worker",
            *("--queues", ",".join(self.pool.spec.queues)),
            *start.arguments,
            *(("--concurrency", str(slots)) if slots is not None else ()),
            *("--hostname", node),
            *("--loglevel", log_level),
            *("--without-gossip", "--without-mingle"),
        ]


def declared_pools(
    queues: Iterable[Queue], *, processors: int, cooldown_s: float
) -> list[LocalPool]:
    """A pool for each declared queue, limited to what this machine can use."""
    return [
        LocalPool(
            pool=_worker_pool(queue.name, _declared_spec(queue, processors, cooldown_s)),
            celery_pool=queue.pool.value,
        )
        for queue in queues
    ]


def application_pools(queues: Sequence[str], *, cooldown_s: float) -> list[LocalPool]:
    """A pool for each queue that a worker without `--queues` would consume. Workers have the pool
    class and the concurrency of the application's configuration.

    Raises:
        InvalidInput: the application has no queue.
    """
    if not queues:
        raise InvalidInput("the Celery application has no queue to consume; give --pools FILE")
    found = [_name_of(queue) for queue in queues]
    names = [_unique(name, found, number) for number, name in enumerate(found, start=1)]
    return [
        LocalPool(pool=_worker_pool(name, _spec(name, queue, cooldown_s)))
        for name, queue in zip(names, queues, strict=True)
    ]


def with_cooldown(pool: LocalPool, cooldown_s: float) -> LocalPool:
    """The pool with another cool-down than its manifest's."""
    spec = pool.pool.spec
    scale_down = spec.behavior.scale_down
    if scale_down.stabilization_window_seconds is None:  # its default may be longer
        calmed = {"stabilization_window_seconds": _calm_s(cooldown_s)}
        scale_down = scale_down.model_copy(update=calmed)
    changed = spec.model_copy(
        update={
            "cooldown_period_seconds": int(cooldown_s),
            "behavior": spec.behavior.model_copy(update={"scale_down": scale_down}),
        }
    )
    return replace(pool, pool=replace(pool.pool, spec=changed))


def replica_limit(queue: Queue, *, processors: int) -> int:
    """The maximum number of replicas of a queue's pool on this machine.

    CPU-bound processes beyond the number of processors only slow each other down. Threads mostly
    wait for the network but share one interpreter, so they get a process per processor.
    """
    per_replica = queue.concurrency if queue.pool is PoolKind.PREFORK else 1
    return min(queue.max_replicas, max(1, processors // per_replica))


def check_names(found: Sequence[LocalPool]) -> None:
    """Raise InvalidInput if two pools have the same name."""
    names = [pool.name for pool in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"two pools are called {name!r}")


def _worker_pool(name: str, spec: Mapping[str, Any]) -> WorkerPool:
    return WorkerPool(key=PoolKey(NAMESPACE, name), spec=pools.parse_spec(spec))


def _declared_spec(queue: Queue, processors: int, cooldown_s: float) -> Mapping[str, Any]:
    return {
        **_spec(queue.name, queue.name, cooldown_s),
        "concurrency": queue.concurrency,
        "minReplicas": queue.min_replicas,
        "maxReplicas": replica_limit(queue, processors=processors),
        "target": {"queueWaitSeconds": queue.wait_target_s},
    }


def _spec(name: str, queue: str, cooldown_s: float) -> dict[str, Any]:
    return {
        "scaleTargetRef": {"apiVersion": "v1", "kind": "Process", "name": name},
        "queues": [queue],
        "pollingIntervalSeconds": POLLING_S,
        "cooldownPeriodSeconds": int(cooldown_s),
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": _calm_s(cooldown_s)}},
    }


def _calm_s(cooldown_s: float) -> int:
    return min(STABILIZATION_LIMIT_S, int(cooldown_s))


def _name_of(queue: str) -> str:
    """Turn a queue's name into a name for its pool, log file and worker nodes.

    >>> _name_of("Orders.EU #1"), _name_of("../..")
    ('orders.eu-1', 'queue')
    """
    return re.sub(r"[^a-z0-9.]+", "-", queue.lower()).strip("-.")[:NAME_LIMIT] or "queue"


def _unique(name: str, names: Sequence[str], number: int) -> str:
    return name if names.count(name) == 1 else f"{name[: NAME_LIMIT - 5]}-{number}"
