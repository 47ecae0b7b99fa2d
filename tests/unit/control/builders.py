"""Pools in which a test names only what matters to it."""

from typing import Any

from app.control.decide.evaluation import Evaluation
from app.control.pool import worker_pool as pools
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.scaling.steps import Decision, Rule, Step


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


def decided(*rules: Rule) -> Decision:
    """A decision for three replicas in which these rules had a say."""
    steps = tuple(Step(rule=rule, replicas=3) for rule in rules)
    return Decision(replicas=3, reason=rules[-1], steps=steps)


CALM = Evaluation(
    has_work=False, is_read=True, are_workers_known=True, draining=0, decision=decided(Rule.DEMAND)
)
"""A pool that is read, heard and well."""
