"""Pools as they are kept in memory."""

from dataclasses import replace
from typing import Any

import pytest

from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.operator.resources import pool_cache
from app.operator.resources.pool_cache import PoolCache


def manifest(*, version: str = "1", generation: int = 2, **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "shop",
            "name": "mail",
            "uid": "uid-mail",
            "generation": generation,
            "resourceVersion": version,
            "creationTimestamp": "2026-03-01T12:00:00Z",
            **meta,
        },
        "spec": {"scaleTargetRef": {"name": "x"}, "queues": ["q"]},
        "status": {"replicas": int(version)},
    }


def test_a_changed_status_is_stored_without_another_pool() -> None:
    cache = PoolCache()
    cache.put("uid-mail", manifest(version="1"))
    [first] = cache.current()
    cache.put("uid-mail", manifest(version="2"))
    [second] = cache.current()
    stored = cache.stored_status("uid-mail")
    assert second is first
    assert stored is not None
    assert (stored.version, stored.document) == ("2", {"replicas": 2})


def test_a_changed_spec_is_read_again() -> None:
    cache = PoolCache()
    cache.put("uid-mail", manifest(generation=2))
    cache.put("uid-mail", manifest(generation=3))
    [pool] = cache.current()
    assert pool.generation == 3


def test_a_pool_that_is_being_deleted_is_forgotten() -> None:
    cache = PoolCache()
    cache.put("uid-mail", manifest())
    cache.put("uid-mail", manifest(deletionTimestamp="2026-03-01T13:00:00Z"))
    assert (cache.current(), cache.stored_status("uid-mail")) == ([], None)


def test_an_invalid_pool_is_kept_with_its_problem() -> None:
    body = manifest() | {"spec": {"queues": []}}
    want = UnreadablePool(
        key=PoolKey("shop", "mail"),
        problem=PoolProblem(ProblemReason.INVALID_SPEC, ""),
        uid="uid-mail",
        generation=2,
    )
    got = pool_cache.parse_pool(body)
    assert isinstance(got, UnreadablePool)
    assert replace(got, problem=want.problem) == want
    assert "spec.scaleTargetRef" in str(got.problem)


@pytest.mark.parametrize(("mode", "want"), [("Auto", "DryRun"), ("Off", "Off")])
def test_a_dry_run_of_the_operator_binds_every_pool(mode: str, want: str) -> None:
    body = manifest()
    body["spec"]["mode"] = mode
    pool = pool_cache.parse_pool(body, is_dry_run=True)
    assert isinstance(pool, WorkerPool)
    assert pool.spec.mode == want
