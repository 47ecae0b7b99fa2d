"""The pools that there are: kept as kopf hears of them, checked against the API server's own list.

`kopf.index` would keep them too, at a price that grows with their square when the operator starts
(1,000 pools: half a million wake-ups), and it never forgets what was deleted while its watch was
broken.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.control.pool import spec as specs
from app.control.pool import worker_pool as pools
from app.control.pool.problems import PoolProblem
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.errors import AccessDenied, CeleriacError, NotFound
from app.operator.kubernetes.apiserver import METADATA_ONLY, ApiServer
from app.operator.kubernetes.informer import Uid
from app.operator.resources import workload_kinds as kinds
from app.operator.status import pool_status as status
from app.operator.status.pool_status import WorkerPoolStatus

logger = logging.getLogger(__name__)

ROLL_CALL_S = 60.0
"""kopf does not tell of what was deleted while its watch was broken; it is found after this."""
RETRY_S = 1.0
DENIED_RETRY_S = 5.0
LISTED_ANEW_S = 10.0
"""Some of those that were listed may be gone by then."""


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


class Roster:
    """The `Pools` of the loop."""

    def __init__(
        self, server: ApiServer, *, namespaces: Sequence[str | None], is_dry_run: bool = False
    ) -> None:
        self._server = server
        self._namespaces = namespaces
        self._is_dry_run = is_dry_run
        self._pools: dict[Uid, WorkerPool | UnreadablePool] = {}
        self._statuses: dict[Uid, Mapping[str, Any]] = {}
        self._news = asyncio.Event()
        self.is_complete = False
        """Whether every pool has been heard of once."""
        self.denial = ""
        """What a Role keeps from us; empty when nothing does."""

    def hear(self, body: Mapping[str, Any], *, is_gone: bool) -> None:
        """A pool as a watch tells of it. What only its status has changed in is no news."""
        meta = body["metadata"]
        uid = meta["uid"]
        if is_gone or meta.get("deletionTimestamp"):
            self.forget(uid)
            return
        self._statuses[uid] = dict(body.get("status") or {})
        known = self._pools.get(uid)
        if known is None or not _is_same(known, meta):
            self._pools[uid] = parse_pool(body, is_dry_run=self._is_dry_run)
            self._news.set()

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        """All pools, from memory."""
        return list(self._pools.values())

    def status_of(self, uid: Uid) -> WorkerPoolStatus:
        """A pool's status as it was last heard of, whoever wrote it."""
        return status.parse_status(self._statuses.get(uid, {}))

    def forget(self, uid: Uid) -> None:
        """The API server says that this pool is gone."""
        self._pools.pop(uid, None)
        self._statuses.pop(uid, None)

    async def complete(self) -> None:
        """Return when every pool that the API server lists has been heard of."""
        while True:
            try:
                listed = await self._listed()
            except CeleriacError as error:
                self._failed(error)
                await asyncio.sleep(RETRY_S)
                continue
            self._failed(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LISTED_ANEW_S):
                    await self._heard_of(listed)
                    self.is_complete = True
                    return

    async def call_rolls(self) -> None:
        """Look for ghosts, for ever."""
        while True:
            await asyncio.sleep(DENIED_RETRY_S if self.denial else ROLL_CALL_S)
            before = set(self._pools)
            try:
                listed = await self._listed()
            except CeleriacError as error:
                self._failed(error)
                continue
            self._failed(None)
            for uid in before - listed:
                logger.info("a pool was deleted unseen", extra={"uid": uid})
                self.forget(uid)

    def _failed(self, error: CeleriacError | None) -> None:
        """Tell once that a Role keeps the list from us. The client tells of outages."""
        is_denied = isinstance(error, AccessDenied | NotFound)
        if self.denial and error is None:
            logger.info("pools can be listed again")
        if is_denied and not self.denial:
            logger.error("pools cannot be listed", extra={"error": str(error)})
        self.denial = f"the operator may not list {specs.PLURAL}: {error}" * is_denied

    async def _heard_of(self, listed: set[Uid]) -> None:
        while not listed <= self._pools.keys():
            self._news.clear()
            await self._news.wait()

    async def _listed(self) -> set[Uid]:
        uids: set[Uid] = set()
        for namespace in self._namespaces:
            path = kinds.path(specs.API_VERSION, specs.PLURAL, namespace=namespace)
            async for page in self._server.pages(path, accept=METADATA_ONLY):
                uids |= {
                    item["metadata"]["uid"]
                    for item in page.get("items") or ()
                    if not item["metadata"].get("deletionTimestamp")
                }
        return uids


def _is_same(known: WorkerPool | UnreadablePool, meta: Mapping[str, Any]) -> bool:
    annotations = known.annotations if isinstance(known, WorkerPool) else {}
    return known.generation == meta.get("generation") and annotations == _annotations(meta)


def _annotations(meta: Mapping[str, Any]) -> dict[str, str]:
    """Those that speak to us; others may be long (kubectl keeps whole manifests in one)."""
    found = meta.get("annotations") or {}
    return {key: value for key, value in found.items() if key.startswith(f"{specs.GROUP}/")}
