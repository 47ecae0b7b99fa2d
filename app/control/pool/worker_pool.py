"""A worker pool as the loop holds it: identity, annotations and validated spec."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.control.pool import spec as specs
from app.control.pool.problems import PoolProblem, ProblemReason


@dataclass(frozen=True, slots=True, order=True)
class PoolKey:
    """Names a pool in the whole cluster. `str()` gives `namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPool:
    """A worker pool as its owner has written it."""

    key: PoolKey
    spec: specs.WorkerPoolSpec
    uid: str = ""
    generation: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    created_at_s: float = 0.0
    """Decides which of two pools on one target is worked on: the older one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePool:
    """A pool whose spec is not valid: it is reported, and its replicas are left alone."""

    key: PoolKey
    problem: PoolProblem
    uid: str = ""
    generation: int = 0


def parse_spec(spec: Mapping[str, Any]) -> specs.WorkerPoolSpec:
    """Validate the `spec` of a manifest.

    Raises:
        PoolProblem: names each field that is wrong, by its path in the manifest.
    """
    try:
        return specs.WorkerPoolSpec.model_validate(spec)
    except ValidationError as exc:
        raise _invalid(exc) from exc


def parse_json_spec(spec: str) -> specs.WorkerPoolSpec:
    """Validate a `spec` that no API server has seen: the types of its schema are in force here.

    Raises:
        PoolProblem: names each field that is wrong, by its path in the manifest.
    """
    try:
        return specs.WorkerPoolSpec.model_validate_json(spec, strict=True)
    except ValidationError as exc:
        raise _invalid(exc) from exc


def _invalid(exc: ValidationError) -> PoolProblem:
    faults = "; ".join(_fault(error["loc"], error["msg"]) for error in exc.errors())
    return PoolProblem(ProblemReason.INVALID_SPEC, faults)


def _fault(location: tuple[int | str, ...], message: str) -> str:
    path = ".".join(("spec", *(str(part) for part in location)))
    return f"{path}: {message.removeprefix('Value error, ')}"


_TargetKey = tuple[str, str, str, str]


def target_conflicts(pools: Iterable[WorkerPool | UnreadablePool]) -> Mapping[PoolKey, PoolProblem]:
    """The pools that may not touch their target, and what to say to their owners."""
    holders: dict[_TargetKey, WorkerPool] = {}
    refused: dict[PoolKey, PoolProblem] = {}
    readable = (pool for pool in pools if isinstance(pool, WorkerPool))
    for pool in sorted(readable, key=lambda one: (one.created_at_s, one.key)):
        holder = holders.setdefault(_target_key(pool), pool)
        if holder is not pool:
            refused[pool.key] = _target_conflict(pool, holder)
    return refused


def has_moved(before: WorkerPool | UnreadablePool, now: WorkerPool | UnreadablePool) -> bool:
    """Whether a pool's spec names another target than before. One that cannot be read does not."""
    if isinstance(before, UnreadablePool) or isinstance(now, UnreadablePool):
        return False
    return _target_key(before) != _target_key(now)


def _target_key(pool: WorkerPool) -> _TargetKey:
    ref = pool.spec.scale_target_ref
    return (pool.key.namespace, ref.api_version, ref.kind, ref.name)


def _target_conflict(pool: WorkerPool, holder: WorkerPool) -> PoolProblem:
    ref = pool.spec.scale_target_ref
    return PoolProblem(
        ProblemReason.TARGET_SHARED,
        f"{ref.kind} {ref.name} is scaled by the older pool {holder.key.name} already: "
        "delete one of the two, or give each a target of its own",
    )
