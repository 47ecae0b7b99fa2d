"""Tells Kubernetes what became of the pools: status and Events, written behind the loop's back.

The loop hands over and goes on; a slow or absent API server delays no tick. Of each pool only the
latest status waits to be written.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
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
from app.operator.kubernetes import resource_version
from app.operator.kubernetes.apiserver import ApiServer, Document
from app.operator.kubernetes.informer import Uid
from app.operator.metrics import OperatorMetrics
from app.operator.resources import annotations as names
from app.operator.resources import workload_kinds as kinds
from app.operator.resources.pool_cache import Roster
from app.operator.status import pool_status as statuses
from app.operator.status.pool_status import WorkerPoolStatus

logger = logging.getLogger(__name__)

AnyPool = WorkerPool | UnreadablePool

WRITERS = 8
"""Writes at a time: a thousand changed pools are through in some seconds."""
RETRY_S = 1.0
DENIED_RETRY_S = 10.0
RESTORE_S = 15.0
"""A status that another client has written over ours is written again after this at the latest."""
EVENTS_KEPT = 1000
"""Events that wait for an API server that is away; the oldest are dropped first."""
TICKS_KEPT = 300
"""Turns whose durations are remembered: some minutes."""
NOTE_LIMIT = 1024
"""The API server's own limit on the text of an Event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The loop's last turn."""

    tick: Tick
    statuses: Mapping[PoolKey, PoolStatus]


class KubernetesReports:
    """The `Reports` of the loop."""

    def __init__(
        self,
        server: ApiServer,
        roster: Roster,
        *,
        instance: str,
        metrics: OperatorMetrics | None = None,
    ) -> None:
        self._server = server
        self._metrics = metrics
        self._roster = roster
        self._instance = instance
        self._waiting: dict[Uid, tuple[AnyPool, WorkerPoolStatus]] = {}
        self._writing: set[Uid] = set()
        self._written: dict[Uid, WorkerPoolStatus] = {}
        self._versions: dict[Uid, str] = {}
        self._overwritten: set[Uid] = set()
        self._refused: set[str] = set()
        self.denial = ""
        """What a Role keeps from us; empty when nothing does."""
        self._events: deque[tuple[AnyPool, PoolEvent]] = deque(maxlen=EVENTS_KEPT)
        self._work = asyncio.Condition()
        self._durations_s: deque[float] = deque(maxlen=TICKS_KEPT)
        self.last: Last | None = None

    async def write_status(self, pool: AnyPool, status: PoolStatus) -> None:
        """Hand over; the write follows."""
        async with self._work:
            self._waiting[pool.uid] = (pool, WorkerPoolStatus.of(status))
            self._work.notify()

    async def write_event(self, pool: AnyPool, event: PoolEvent) -> None:
        """Hand over; the write follows."""
        async with self._work:
            self._events.append((pool, event))
            self._work.notify()

    def observe(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Remember the turn, for liveness and metrics."""
        self.last = Last(tick=tick, statuses=statuses)
        self._durations_s.append(tick.duration_s)
        if self._metrics is not None:
            self._metrics.observe(tick, statuses)
        if len(self._written) > 2 * tick.pools + WRITERS:
            known = {pool.uid for pool in self._roster.current()}
            self._written = {uid: each for uid, each in self._written.items() if uid in known}

    def tick_quantile_s(self, quantile: float) -> float:
        """How long turns took lately, at a quantile between 0 and 1."""
        ordered = sorted(self._durations_s)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0

    @property
    def last_tick(self) -> Tick | None:
        return self.last.tick if self.last is not None else None

    def heard(self, body: Mapping[str, Any]) -> None:
        """A pool as a watch tells of it: notices a status that another client wrote over ours."""
        meta = body["metadata"]
        uid, version = meta["uid"], meta.get("resourceVersion", "")
        own = self._written.get(uid)
        if own is None or uid in self._writing or uid in self._waiting:
            return
        if resource_version.is_older(version, self._versions.get(uid, "")):
            return
        if statuses.parse_status(body.get("status") or {}) != own:
            self._overwritten.add(uid)

    def stand_down(self) -> None:
        """Another operator may write from now on: nothing of ours is repeated or goes out late."""
        self._waiting.clear()
        self._events.clear()
        self._written.clear()
        self._overwritten.clear()

    async def run(self) -> None:
        """Write what is handed over, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._restore(), name="restored statuses")
            for number in range(WRITERS):
                group.create_task(self._write(), name=f"report writer {number}")

    async def flushed(self, *, within_s: float) -> bool:
        """Wait, while `run` goes on, until nothing waits to be written. Not within the time: no."""
        try:
            async with asyncio.timeout(within_s), self._work:
                await self._work.wait_for(
                    lambda: not (self._waiting or self._events or self._writing)
                )
        except TimeoutError:
            return False
        return True

    async def _restore(self) -> None:
        """Write statuses again that another client has written over, with pauses: two writers that
        do so at once would go on for ever."""
        while True:
            await asyncio.sleep(RESTORE_S)
            overwritten, self._overwritten = self._overwritten, set()
            for pool in self._roster.current():
                own = self._written.get(pool.uid)
                if pool.uid in overwritten and own is not None:
                    logger.warning("status was overwritten", extra={"pool": str(pool.key)})
                    self._written[pool.uid] = self._roster.status_of(pool.uid)
                    async with self._work:
                        self._waiting.setdefault(pool.uid, (pool, own))
                        self._work.notify()

    async def _write(self) -> None:
        while True:
            async with self._work:
                await self._work.wait_for(self._has_work)
                key, write = self._take()
            try:
                await write()
            finally:
                async with self._work:
                    self._writing.discard(key)
                    self._work.notify_all()

    def _has_work(self) -> bool:
        return bool(self._events) or any(uid not in self._writing for uid in self._waiting)

    def _take(self) -> tuple[str, Callable[[], Awaitable[None]]]:
        """The next write: an event, or the status of a pool that nobody writes at the moment."""
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
            earlier = self._written[pool.uid] = self._roster.status_of(pool.uid)
        status = status.continuing(earlier)
        if status == earlier:
            return
        path = kinds.path(
            specs.API_VERSION, specs.PLURAL, namespace=pool.key.namespace, name=pool.key.name
        )
        try:
            answer = await self._server.patch(
                f"{path}/status", status.merge_patch(), params={"fieldManager": names.FIELD_MANAGER}
            )
            self._written[pool.uid] = status
            self._versions[pool.uid] = answer.get("metadata", {}).get("resourceVersion", "")
            self._accepted("status")
        except NotFound:
            self._roster.forget(pool.uid)
            self._written.pop(pool.uid, None)
        except (RetryableError, AccessDenied) as error:
            self._failed("status", pool, error)
            self._waiting.setdefault(pool.uid, (pool, status))
            await asyncio.sleep(DENIED_RETRY_S if isinstance(error, AccessDenied) else RETRY_S)
        except CeleriacError as error:
            self._failed(f"status of {pool.key}", pool, error)

    async def _post(self, pool: AnyPool, event: PoolEvent) -> None:
        path = kinds.path("v1", "events", namespace=pool.key.namespace)
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
        """Tell once that a kind of write works again."""
        if what == "status":
            self.denial = ""
        over = {each for each in self._refused if each.startswith(what)}
        if over:
            self._refused -= over
            logger.info("writes are accepted again", extra={"what": what})

    def _failed(self, what: str, pool: AnyPool, error: CeleriacError) -> None:
        """Tell once that a kind of write fails; the counter of writes says how often."""
        if what == "status" and isinstance(error, AccessDenied):
            self.denial = f"the operator may not write status: {error}"
        if what not in self._refused and not isinstance(error, ApiServerUnreachable):
            self._refused.add(what)
            fields = {"what": what, "pool": str(pool.key), "error": str(error)}
            logger.warning("write failed", extra=fields)


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
        "source": {"component": names.REPORTER},
        "reportingComponent": names.REPORTER,
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
