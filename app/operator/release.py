"""`celeriac operator --release`: undoes every drain, as the last step before an uninstall.

Without an operator, workers that were told to stop consuming would never resume. The release takes
the Lease, so that a running operator stops acting, resumes the marked replicas, and keeps the Lease
for half a minute, in which the operator is uninstalled.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import uuid4

from app.control.decide.pool_memory import FRESH
from app.control.observe import broker_view
from app.control.pool.status import PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Brokers, Replicas, Tick
from app.control.reconcile import PoolReconciler
from app.errors import ApiServerUnreachable, CeleriacError
from app.operator.assembly import lease_namespaces
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.kubernetes.credentials import Login
from app.operator.leadership import lease
from app.operator.leadership.election import Leadership
from app.operator.resources.broker_links import KubernetesBrokers
from app.operator.resources.cluster_caches import Caches, build_caches
from app.operator.resources.pod_replicas import PodReplicas
from app.operator.resources.secrets import Secrets
from app.operator.settings import OperatorSettings

logger = logging.getLogger(__name__)

ROUND_S = 1.0
LIMIT_S = 60.0
"""Workers that have not resumed by then send no heartbeats, or their broker is unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The outcome for the replicas that were draining."""

    resumed: tuple[str, ...]
    left: tuple[str, ...]
    """Pods that are still marked."""


class _NoReports:
    """Discards reports: the operator is about to be removed."""

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        return

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        return

    def record_tick(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        return


async def run(settings: OperatorSettings, login: Login, *, within_s: float = LIMIT_S) -> Released:
    """Undo the drains in these namespaces.

    Raises as `ApiServer` does, and ApiServerUnreachable when no Lease could be taken.
    """
    clock = time.time
    async with ApiServer(login) as server:
        caches = build_caches(server, settings.scopes, clock=clock)
        leadership = Leadership(
            server,
            lease_namespaces(settings, server),
            me=f"release-{settings.instance}_{uuid4().hex[:8]}",
            takes_over=True,
        )
        supporting = [
            asyncio.create_task(each.run(), name=f"informer {each.collection.path}")
            for each in caches.informers
        ]
        supporting.append(asyncio.create_task(leadership.run(), name="leadership"))
        brokers = KubernetesBrokers(
            Secrets(server, clock=clock), own_url=settings.broker_url, clock=clock
        )
        replicas = PodReplicas(server, caches, clock=clock)
        try:
            await _take_over(caches, leadership, within_s=within_s)
            pools = _readable(caches.pools.current())
            return await undo_drains(pools, brokers, replicas, clock=clock, within_s=within_s)
        finally:
            for task in supporting:
                task.cancel()
            await asyncio.gather(*supporting, return_exceptions=True)
            await brokers.close()


async def _take_over(caches: Caches, leadership: Leadership, *, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await caches.listed()
            await leadership.gained()
            # The previous leader may act until its renewal deadline.
            await asyncio.sleep(lease.RENEW_DEADLINE_S)
    except TimeoutError as error:
        hint = "does the API server answer, and do the namespaces exist?"
        raise ApiServerUnreachable(
            f"no drain was undone: the operator's Lease could not be taken within {within_s:g} s "
            f"({leadership.problem or hint})"
        ) from error


async def undo_drains(
    pools: Collection[WorkerPool],
    brokers: Brokers,
    replicas: Replicas,
    *,
    clock: Callable[[], float],
    within_s: float,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Released:
    """Undo the drains of these pools, in rounds: heartbeats of workers arrive one after another."""
    reconciler = PoolReconciler(replicas=replicas, reporter=_NoReports(), clock=clock)
    ends_at_s = clock() + within_s
    draining = await _draining(pools, replicas)
    found = {name for names in draining.values() for name in names}
    while draining and clock() < ends_at_s:
        groups, _ = await broker_view.group_by_broker(
            [pool for pool in pools if pool.key in draining], brokers
        )
        for group in groups:
            view = await broker_view.read_broker(group)
            for pool in group.pools:
                try:
                    await reconciler.release(pool, view, FRESH)
                except CeleriacError as error:
                    fields = {"pool": str(pool.key), "error": str(error)}
                    logger.warning("drain not undone yet", extra=fields)
        await wait(ROUND_S)
        draining = await _draining(pools, replicas)
    left = {name for names in draining.values() for name in names}
    return Released(resumed=tuple(sorted(found - left)), left=tuple(sorted(left)))


async def _draining(
    pools: Collection[WorkerPool], replicas: Replicas
) -> Mapping[PoolKey, tuple[str, ...]]:
    """The marked replicas of each pool that has any."""
    found: dict[PoolKey, tuple[str, ...]] = {}
    for pool in pools:
        try:
            target = await replicas.read(pool)
        except CeleriacError as error:
            logger.warning("pool skipped", extra={"pool": str(pool.key), "error": str(error)})
            continue
        marked = [one for one in target.instances if one.mark is not None and not one.is_ending]
        if marked:
            found[pool.key] = tuple(f"{pool.key.namespace}/{one.name}" for one in marked)
    return found


def _readable(pools: Collection[WorkerPool | UnreadablePool]) -> list[WorkerPool]:
    for pool in pools:
        if isinstance(pool, UnreadablePool):
            logger.warning("pool skipped", extra={"pool": str(pool.key)})
    return [pool for pool in pools if isinstance(pool, WorkerPool)]
