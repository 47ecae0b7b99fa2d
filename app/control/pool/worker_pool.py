"""A worker pool as the loop holds it: identity, annotations and validated spec."""

from collections.abc import Mapping
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
