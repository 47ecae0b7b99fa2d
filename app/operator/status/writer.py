"""Writes the status and the Events of pools in the background.

The loop queues a report and continues, so a slow or unavailable API server delays no tick. Only the
latest status of each pool waits to be written.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from app.control.pool import spec as specs
from app.control.pool.status import PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Tick
from app.errors import (
    AccessDenied,
    ApiServerUnreachable,
    CeleriacError,
    NotFound,
    RetryableError,
)
from app.operator.kubernetes import informer
from app.operator.kubernetes.apiserver import ApiServer, Document, object_path
from app.operator.kubernetes.informer import Uid
from app.operator.metrics import OperatorMetrics
from app.operator.resources import well_known
from app.operator.resources.pool_cache import PoolCache, StoredStatus
from app.operator.status import pool_status
from app.operator.status.pool_status import WorkerPoolStatus

logger = logging.getLogger(__name__)

AnyPool = WorkerPool | UnreadablePool

WRITERS = 8
"""Writes at a time: a thousand changed pools take some seconds."""
RETRY_S = 1.0
DENIED_RETRY_S = 10.0
RESTORE_S = 15.0
"""A status that another client has overwritten is written again within this time."""
EVENTS_KEPT = 1000
"""Events that wait for an unavailable API server; the oldest are dropped first."""
TICKS_KEPT = 300
"""Ticks whose durations are kept: some minutes."""
NOTE_LIMIT = 1024
"""The API server's own limit on the text of an Event."""


class KubernetesReports:
    """The `Reports` of the loop."""

    def __init__(
        self,
        server: ApiServer,
        pools: PoolCache,
        *,
        instance: str,
        metrics: OperatorMetrics | None = None,
    ) -> None:
        self._server = server
        self._metrics = metrics
        self._pools = pools
        self._instance = instance
        self._waiting: dict[Uid, tuple[AnyPool, WorkerPoolStatus]] = {}
        self._writing: set[Uid] = set()
        self._written: dict[Uid, WorkerPoolStatus] = {}
        self._versions: dict[Uid, str] = {}
        self._compared: dict[Uid, StoredStatus | None] = {}
        self._refused: set[str] = set()
        self.denial = ""
        """The missing right, if the Role does not allow to write status; empty otherwise."""
        self._events: deque[tuple[AnyPool, PoolEvent]] = deque(maxlen=EVENTS_KEPT)
        self._queue_changed = asyncio.Condition()
        self._durations_s: deque[float] = deque(maxlen=TICKS_KEPT)
        self.last_tick: Tick | None = None

    async def write_status(self, pool: AnyPool, status: PoolStatus) -> None:
        """Queue the write."""
        async with self._queue_changed:
            self._waiting[pool.uid] = (pool, WorkerPoolStatus.of(status))
            self._queue_changed.notify()

    async def write_event(self, pool: AnyPool, event: PoolEvent) -> None:
        """Queue the write."""
        async with self._queue_changed:
            self._events.append((pool, event))
            self._queue_changed.notify()

    def record_tick(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Keep the tick, for liveness and metrics."""
        self.last_tick = tick
        self._durations_s.append(tick.duration_s)
        if self._metrics is not None:
            self._metrics.observe(tick, statuses)
        if len(self._written) > 2 * tick.pools + WRITERS:
            known = {pool.uid for pool in self._pools.current()}
            self._written = {uid: each for uid, each in self._written.items() if uid in known}
            self._compared = {uid: each for uid, each in self._compared.items() if uid in known}

    def tick_quantile_s(self, quantile: float) -> float:
        """A quantile (between 0 and 1) of the durations of recent ticks."""
        ordered = sorted(self._durations_s)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0

    def stand_down(self) -> None:
        """Drop everything that waits: another operator may write from now on."""
        self._waiting.clear()
        self._events.clear()
        self._written.clear()

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._restore(), name="restored statuses")
            for number in range(WRITERS):
                group.create_task(self._write(), name=f"report writer {number}")

    async def flushed(self, *, within_s: float) -> bool:
        """Wait until nothing is left to write; whether that happened within the time."""
        try:
            async with asyncio.timeout(within_s), self._queue_changed:
                await self._queue_changed.wait_for(
                    lambda: not (self._waiting or self._events or self._writing)
                )
        except TimeoutError:
            return False
        return True

    async def _restore(self) -> None:
        """Rewrite statuses that another client has overwritten. The pause keeps two writers that
        both do so from flooding the API server."""
        while True:
            await asyncio.sleep(RESTORE_S)
            for pool in self._pools.current():
                stored = self._pools.stored_status(pool.uid)
                if stored is not None and self._is_overwritten(pool.uid, stored):
                    logger.warning("status was overwritten", extra={"pool": str(pool.key)})
                    own, self._written[pool.uid] = self._written[pool.uid], _parsed(stored)
                    async with self._queue_changed:
                        self._waiting.setdefault(pool.uid, (pool, own))
                        self._queue_changed.notify()

    def _is_overwritten(self, uid: Uid, stored: StoredStatus) -> bool:
        """Whether the cache shows another status than the one that was written last."""
        own = self._written.get(uid)
        if own is None or uid in self._writing or uid in self._waiting:
            return False
        is_behind = informer.is_older(stored.version, self._versions.get(uid, ""))
        if is_behind or self._compared.get(uid) is stored:
            return False
        self._compared[uid] = stored
        return _parsed(stored) != own

    async def _write(self) -> None:
        while True:
            async with self._queue_changed:
                await self._queue_changed.wait_for(self._has_work)
                key, write = self._take()
            try:
                await write()
            finally:
                async with self._queue_changed:
                    self._writing.discard(key)
                    self._queue_changed.notify_all()

    def _has_work(self) -> bool:
        return bool(self._events) or any(uid not in self._writing for uid in self._waiting)

    def _take(self) -> tuple[str, Callable[[], Awaitable[None]]]:
        """The next write: an event, or the status of a pool that is not being written."""
        if self._events:
            key = f"event {uuid4()}"
            write = partial(self._post, *self._events.popleft())
        else:
            key = next(uid for uid in self._waiting if uid not in self._writing)
            write = partial(self._patch, *self._waiting.pop(key))
        self._writing.add(key)
        return key, write

    async def _patch(self, pool: AnyPool, status: WorkerPoolStatus) -> None:
        earlier = self._written.get(pool.uid)
        if earlier is None:
            earlier = self._written[pool.uid] = _parsed(self._pools.stored_status(pool.uid))
        status = status.continuing(earlier)
        if status == earlier:
            return
        path = object_path(
            specs.API_VERSION, specs.PLURAL, namespace=pool.key.namespace, name=pool.key.name
        )
        before = self._pools.stored_status(pool.uid)
        try:
            answer = await self._server.patch(
                f"{path}/status",
                status.merge_patch(),
                params={"fieldManager": well_known.FIELD_MANAGER},
            )
            self._written[pool.uid] = status
            self._compared[pool.uid] = before  # only what the cache receives after it can differ
            self._versions[pool.uid] = answer.get("metadata", {}).get("resourceVersion", "")
            self._accepted("status")
        except NotFound:
            self._pools.remove(pool.uid)
            self._written.pop(pool.uid, None)
        except (RetryableError, AccessDenied) as error:
            self._failed("status", pool, error)
            self._waiting.setdefault(pool.uid, (pool, status))
            await asyncio.sleep(DENIED_RETRY_S if isinstance(error, AccessDenied) else RETRY_S)
        except CeleriacError as error:
            self._failed(f"status of {pool.key}", pool, error)

    async def _post(self, pool: AnyPool, event: PoolEvent) -> None:
        path = object_path("v1", "events", namespace=pool.key.namespace)
        try:
            await self._server.create(path, event_document(pool, event, instance=self._instance))
            self._accepted("event")
        except RetryableError as error:
            self._failed("event", pool, error)
            self._events.append((pool, event))
            await asyncio.sleep(RETRY_S)
        except CeleriacError as error:
            self._failed(f"event in {pool.key.namespace}", pool, error)

    def _accepted(self, what: str) -> None:
        """Log once that a kind of write works again."""
        if what == "status":
            self.denial = ""
        over = {each for each in self._refused if each.startswith(what)}
        if over:
            self._refused -= over
            logger.info("writes are accepted again", extra={"what": what})

    def _failed(self, what: str, pool: AnyPool, error: CeleriacError) -> None:
        """Log once that a kind of write fails; the counter of writes has the number."""
        if what == "status" and isinstance(error, AccessDenied):
            self.denial = f"the operator may not write status: {error}"
        if what not in self._refused and not isinstance(error, ApiServerUnreachable):
            self._refused.add(what)
            fields = {"what": what, "pool": str(pool.key), "error": str(error)}
            logger.warning("write failed", extra=fields)


def _parsed(stored: StoredStatus | None) -> WorkerPoolStatus:
    return pool_status.parse_status(stored.document if stored is not None else {})


def event_document(pool: AnyPool, event: PoolEvent, *, instance: str) -> Document:
    """An Event about a pool.

    Of the core API: `kubectl describe` sorts by `lastTimestamp`, which `events.k8s.io` refuses.
    """
    at = datetime.fromtimestamp(event.at_s, tz=UTC)
    second = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{pool.key.name[:200]}.{uuid4().hex[:16]}",
            "namespace": pool.key.namespace,
        },
        "eventTime": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "firstTimestamp": second,
        "lastTimestamp": second,
        "count": 1,
        "source": {"component": well_known.REPORTER},
        "reportingComponent": well_known.REPORTER,
        "reportingInstance": instance[:128],
        "action": "Scale",
        "reason": event.reason,
        "type": event.type.value,
        "message": event.message[:NOTE_LIMIT],
        "involvedObject": {
            "apiVersion": specs.API_VERSION,
            "kind": specs.KIND,
            "namespace": pool.key.namespace,
            "name": pool.key.name,
            "uid": pool.uid,
        },
    }
