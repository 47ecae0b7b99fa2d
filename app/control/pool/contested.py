"""Which pool works on which target: of two on one, which would undo each other, the older one."""

from collections.abc import Iterable, Mapping

from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool

_TargetKey = tuple[str, str, str, str]


def problems(pools: Iterable[WorkerPool | UnreadablePool]) -> Mapping[PoolKey, PoolProblem]:
    """The pools that may not touch their target, and what to say to their owners."""
    holders: dict[_TargetKey, WorkerPool] = {}
    refused: dict[PoolKey, PoolProblem] = {}
    readable = (pool for pool in pools if isinstance(pool, WorkerPool))
    for pool in sorted(readable, key=lambda one: (one.created_at_s, one.key)):
        holder = holders.setdefault(_target_key(pool), pool)
        if holder is not pool:
            refused[pool.key] = _problem(pool, holder)
    return refused


def has_moved(before: WorkerPool | UnreadablePool, now: WorkerPool | UnreadablePool) -> bool:
    """Whether a pool's spec names another target than before. One that cannot be read does not."""
    if isinstance(before, UnreadablePool) or isinstance(now, UnreadablePool):
        return False
    return _target_key(before) != _target_key(now)


def _target_key(pool: WorkerPool) -> _TargetKey:
    ref = pool.spec.scale_target_ref
    return (pool.key.namespace, ref.api_version, ref.kind, ref.name)


def _problem(pool: WorkerPool, holder: WorkerPool) -> PoolProblem:
    ref = pool.spec.scale_target_ref
    return PoolProblem(
        ProblemReason.TARGET_SHARED,
        f"{ref.kind} {ref.name} is scaled by the older pool {holder.key.name} already: "
        "delete one of the two, or give each a target of its own",
    )
