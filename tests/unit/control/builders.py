"""Pools in which a test names only what matters to it."""

from typing import Any

from app.control import pool as pools
from app.control.pool import PoolKey, WorkerPool


def worker_pool(name: str = "shop", **spec: Any) -> WorkerPool:  # Any: YAML, as a user writes it
    """A pool on queue `q` with one slot a replica and a short cooldown."""
    manifest = {
        "scaleTargetRef": {"name": f"{name}-worker"},
        "queues": ["q"],
        "concurrency": 1,
        "pollingIntervalSeconds": 1,
        "cooldownPeriodSeconds": 10,
    }
    return WorkerPool(
        key=PoolKey("apps", name), spec=pools.parse_spec(manifest | spec), generation=1
    )
