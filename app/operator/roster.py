"""The pools that there are: an index that kopf keeps, checked against the API server's own list."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.control import pool as pools
from app.control import spec as specs
from app.control.pool import PoolKey, UnreadablePool, WorkerPool
from app.control.problems import PoolProblem
from app.errors import CeleriacError
from app.operator import kinds, status
from app.operator.apiserver import METADATA_ONLY, ApiServer
from app.operator.status import WorkerPoolStatus
from app.operator.watch import Uid

logger = logging.getLogger(__name__)

ROLL_CALL_S = 60.0
"""kopf's index keeps what was deleted while its watch was broken; a ghost is found after this."""
FIRST_CALL_S = 0.2
"""Between two looks until the index is complete for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pool, and the status that it had when this process first saw it."""

    pool: WorkerPool | UnreadablePool
    earlier: WorkerPoolStatus


class Index(Protocol):
    """What is used of `kopf.Index`: entries by the pool's uid."""

    def values(self) -> Iterable[Collection[Entry]]:
        """The entries, one in each collection."""

    def get(self, uid: Uid, /) -> Collection[Entry] | None:
        """The entry of one pool."""


def parse_entry(body: Mapping[str, Any], *, is_dry_run: bool) -> Entry:
    """Read a WorkerPool as the API server sends it. One with an invalid spec is kept as such."""
    return Entry(
        pool=parse_pool(body, is_dry_run=is_dry_run),
        earlier=status.parse_status(body.get("status") or {}),
    )


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
        annotations=dict(meta.get("annotations") or {}),
        created_at_s=created_at.timestamp(),
    )


class Roster:
    """The `Pools` of the loop."""

    def __init__(
        self, server: ApiServer, index: Index, *, namespaces: Sequence[str | None]
    ) -> None:
        self._server = server
        self._index = index
        self._namespaces = namespaces
        self._gone: set[Uid] = set()

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        """All pools, from memory."""
        return [entry.pool for entry in self._entries() if entry.pool.uid not in self._gone]

    def earlier_status(self, uid: Uid) -> WorkerPoolStatus:
        """What an earlier process has reported of a pool; empty where nothing is known."""
        entries = self._index.get(uid) or ()
        return next((entry.earlier for entry in entries), WorkerPoolStatus())

    def forget(self, uid: Uid) -> None:
        """The API server says that this pool is gone."""
        self._gone.add(uid)

    async def complete(self) -> None:
        """Return when every pool that the API server lists is in the index."""
        while True:
            try:
                listed = await self._listed()
                if listed <= self._indexed():
                    return
            except CeleriacError as error:
                logger.warning("pools cannot be listed", extra={"error": str(error)})
            await asyncio.sleep(FIRST_CALL_S)

    async def call_rolls(self) -> None:
        """Look for ghosts, for ever."""
        while True:
            await asyncio.sleep(ROLL_CALL_S)
            before = self._indexed()
            try:
                listed = await self._listed()
            except CeleriacError as error:
                logger.info("no roll call", extra={"error": str(error)})
                continue
            self._gone = before - listed

    def _entries(self) -> Iterable[Entry]:
        return (entry for entries in self._index.values() for entry in entries)

    def _indexed(self) -> set[Uid]:
        return {entry.pool.uid for entry in self._entries()}

    async def _listed(self) -> set[Uid]:
        uids: set[Uid] = set()
        for namespace in self._namespaces:
            path = kinds.path(specs.API_VERSION, specs.PLURAL, namespace=namespace)
            async for page in self._server.pages(path, accept=METADATA_ONLY):
                uids |= {
                    item["metadata"]["uid"]
                    for item in page["items"]
                    if not item["metadata"].get("deletionTimestamp")
                }
        return uids
