"""What a loop tells of a pool, with defaults."""

from typing import Any

from app.control.pool.status import PoolState, PoolStatus

_QUIET = PoolStatus(
    observed_generation=1,
    state=PoolState.FOLLOWING,
    pool_queues=("documents",),
    min_replicas=0,
    max_replicas=10,
    mode="Auto",
    replicas=2,
    ready_replicas=1,
    desired_replicas=2,
    draining_replicas=0,
    selector="",
    last_scale_at_s=None,
    queues=(),
    backlog=7,
    held=None,
    active_tasks=None,
    arrival_rate=None,
    mean_runtime_s=None,
    queue_wait_s=None,
    slots_per_replica=None,
    explanation=(),
    conditions=(),
)


def build_pool_status(**changes: Any) -> PoolStatus:  # fields of several types
    """Two replicas, one of them ready, and seven messages."""
    return _QUIET.model_copy(update=changes)
