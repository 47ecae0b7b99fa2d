"""The pools of the cluster, kept in memory by an informer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.control.pool import spec as specs
from app.control.pool import worker_pool as pools
from app.control.pool.problems import PoolProblem
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.operator.kubernetes.apiserver import Document
from app.operator.kubernetes.informer import Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStatus:
    """A pool's `status` as the API server stores it, whoever wrote it."""

    document: Mapping[str, Any]
    version: str
    """The resourceVersion of the pool that it belongs to."""


class PoolCache:
    """The `Pools` of the loop."""

    def __init__(self, *, is_dry_run: bool = False) -> None:
        self._is_dry_run = is_dry_run
        self._pools: dict[Uid, WorkerPool | UnreadablePool] = {}
        self._statuses: dict[Uid, StoredStatus] = {}

    def put(self, uid: Uid, document: Document) -> None:
        """Keep a pool. Most changes are ours and only change the status: the spec stays parsed."""
        meta = document["metadata"]
        if meta.get("deletionTimestamp"):
            self.remove(uid)
            return
        self._statuses[uid] = StoredStatus(
            document=document.get("status") or {}, version=meta.get("resourceVersion", "")
        )
        known = self._pools.get(uid)
        if known is None or not _is_same(known, meta):
            self._pools[uid] = parse_pool(document, is_dry_run=self._is_dry_run)

    def remove(self, uid: Uid) -> None:
        """Forget a pool that is gone."""
        self._pools.pop(uid, None)
        self._statuses.pop(uid, None)

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        """All pools, from memory."""
        return list(self._pools.values())

    def stored_status(self, uid: Uid) -> StoredStatus | None:
        """A pool's status as it was last read."""
        return self._statuses.get(uid)


def parse_pool(body: Mapping[str, Any], *, is_dry_run: bool = False) -> WorkerPool | UnreadablePool:
    """Read a WorkerPool manifest; `is_dry_run` makes every `Auto` pool a `DryRun` one."""
    meta = body["metadata"]
    key = PoolKey(meta["namespace"], meta["name"])
    uid, generation = meta.get("uid", ""), meta.get("generation", 0)
    try:
        spec = pools.parse_spec(dict(body.get("spec") or {}))
    except PoolProblem as problem:
        return UnreadablePool(key=key, problem=problem, uid=uid, generation=generation)
    if is_dry_run and spec.mode is specs.Mode.AUTO:
        spec = spec.model_copy(update={"mode": specs.Mode.DRY_RUN})
    created_at = datetime.fromisoformat(meta["creationTimestamp"])
    return WorkerPool(
        key=key,
        spec=spec,
        uid=uid,
        generation=generation,
        annotations=_annotations(meta),
        created_at_s=created_at.timestamp(),
    )


def _is_same(known: WorkerPool | UnreadablePool, meta: Mapping[str, Any]) -> bool:
    annotations = known.annotations if isinstance(known, WorkerPool) else {}
    return known.generation == meta.get("generation") and annotations == _annotations(meta)


def _annotations(meta: Mapping[str, Any]) -> dict[str, str]:
    """Only ours: others may be long (kubectl keeps whole manifests in one)."""
    found = meta.get("annotations") or {}
    return {key: value for key, value in found.items() if key.startswith(f"{specs.GROUP}/")}
