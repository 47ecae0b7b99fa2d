"""The worker pools of this machine: a pool for each declared queue, or those of a file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.control import pool as pools
from app.control import spec as specs
from app.control.pool import PoolKey, WorkerPool
from app.control.problems import PoolProblem
from app.errors import InvalidInput
from app.queues import QUEUES, PoolKind, Queue

NAMESPACE = "local"
POLLING_S = 1
STABILIZATION_LIMIT_S = 30

CELERY_POOL_ANNOTATION = f"{specs.GROUP}/celery-pool"
"""On a WorkerPool manifest: what `celery worker --pool` gets here; `prefork` when left out."""

CELERY_POOLS = ("prefork", "threads", "solo", "gevent", "eventlet")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPool:
    """A pool, and how its workers are started."""

    pool: WorkerPool
    celery_pool: str

    @property
    def name(self) -> str:
        return self.pool.key.name

    def worker_arguments(self, node: str, *, log_level: str) -> list[str]:
        """Arguments of `celery`. Heartbeats stay on: the loop lives from them. Gossip and mingle
        would make every start wait for the others."""
        slots = self.pool.spec.concurrency
        return [
            "worker",
            *("--queues", ",".join(self.pool.spec.queues)),
            *("--pool", self.celery_pool),
            *(("--concurrency", str(slots)) if slots is not None else ()),
            *("--hostname", node),
            *("--loglevel", log_level),
            *("--without-gossip", "--without-mingle"),
        ]


def processor_count() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def declared_pools(*, processors: int, cooldown_s: float) -> list[LocalPool]:
    """A pool for each declared queue, no larger than this machine can use."""
    return [
        LocalPool(
            pool=_worker_pool(queue.name, _declared_spec(queue, processors, cooldown_s)),
            celery_pool=queue.pool.value,
        )
        for queue in QUEUES
    ]


def replica_limit(queue: Queue, *, processors: int) -> int:
    """Replicas that a queue's pool may have on this machine.

    More processes than processors only take time from each other. Threads wait for the network most
    of the time, but share one interpreter: as many processes as there are processors, then.
    """
    per_replica = queue.concurrency if queue.pool is PoolKind.PREFORK else 1
    return min(queue.max_replicas, max(1, processors // per_replica))


def load_pools(path: Path) -> list[LocalPool]:
    """Read the WorkerPool manifests of a YAML file.

    Raises:
        InvalidInput: the file cannot be read, or a manifest is wrong; the message names it.
    """
    try:
        documents = [found for found in yaml.safe_load_all(path.read_text()) if found is not None]
    except (OSError, yaml.YAMLError) as exc:
        raise InvalidInput(f"cannot read the pools of {path}: {exc}") from exc
    if not documents:
        raise InvalidInput(f"{path} holds no WorkerPool")
    return [_loaded(document, path) for document in documents]


def check_names(found: Sequence[LocalPool]) -> None:
    """Raises InvalidInput when two pools share a name."""
    names = [pool.name for pool in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"two pools are called {name!r}")


def _worker_pool(
    name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> WorkerPool:
    return WorkerPool(
        key=PoolKey(NAMESPACE, name),
        spec=pools.parse_spec(spec),
        annotations=annotations or {},
    )


def _declared_spec(queue: Queue, processors: int, cooldown_s: float) -> Mapping[str, Any]:
    calm_s = min(STABILIZATION_LIMIT_S, int(cooldown_s))
    return {
        "scaleTargetRef": {"apiVersion": "v1", "kind": "Process", "name": queue.name},
        "queues": [queue.name],
        "concurrency": queue.concurrency,
        "minReplicas": queue.min_replicas,
        "maxReplicas": replica_limit(queue, processors=processors),
        "target": {"queueWaitSeconds": queue.wait_target_s},
        "pollingIntervalSeconds": POLLING_S,
        "cooldownPeriodSeconds": int(cooldown_s),
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": calm_s}},
    }


def _loaded(document: Any, path: Path) -> LocalPool:  # YAML: any shape
    if not isinstance(document, dict) or document.get("kind") != specs.KIND:
        raise InvalidInput(f"{path} holds something that is not a {specs.KIND}")
    metadata = document.get("metadata") or {}
    name = metadata.get("name")
    if not name:
        raise InvalidInput(f"a {specs.KIND} of {path} has no metadata.name")
    annotations = metadata.get("annotations") or {}
    celery_pool = annotations.get(CELERY_POOL_ANNOTATION, PoolKind.PREFORK.value)
    if celery_pool not in CELERY_POOLS:
        raise InvalidInput(f"{path}: {CELERY_POOL_ANNOTATION} of {name} is {celery_pool!r}")
    try:
        pool = _worker_pool(name, document.get("spec") or {}, annotations)
    except PoolProblem as problem:
        raise InvalidInput(f"{path}: {specs.KIND} {name}: {problem}") from problem
    return LocalPool(pool=pool, celery_pool=celery_pool)
