"""Wakes every replica that drains, for good: the last thing before an operator is uninstalled.

Workers that were told to stop consuming stay so for ever where no operator goes on. This takes the
Lease, so that an operator that still runs stops acting, wakes what is marked, and leaves the Lease
held for half a minute: whoever uninstalls the operator does so meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from app.control.decide.pool_memory import FRESH
from app.control.observe import broker_view as views
from app.control.pool import spec as specs
from app.control.pool.status import PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Brokers, Replicas, Tick
from app.control.reconcile import Turns
from app.errors import ApiServerUnreachable, CeleriacError
from app.operator import lifecycle as process
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.kubernetes.login import Login
from app.operator.leadership import lease
from app.operator.leadership.election import Leadership
from app.operator.resources import pool_cache as roster
from app.operator.resources import workload_kinds as kinds
from app.operator.resources.broker_links import KubernetesBrokers
from app.operator.resources.replicas import PodReplicas, Watched
from app.operator.resources.secrets import Secrets
from app.operator.settings import OperatorSettings

logger = logging.getLogger(__name__)

ROUND_S = 1.0
LIMIT_S = 60.0
"""Workers that are not woken by then are not heard, or their broker is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What has become of the replicas that were draining."""

    woken: tuple[str, ...]
    left: tuple[str, ...]
    """Pods that are still marked, and why that may be."""


class _Untold:
    """Reports of pools that are about to lose their operator: nobody reads them."""

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        return

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        return

    def observe(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        return


async def run(settings: OperatorSettings, login: Login, *, within_s: float = LIMIT_S) -> Released:
    """Wake what drains in these namespaces.

    Raises as the API server's client does, and ApiServerUnreachable when no Lease could be taken.
    """
    clock = time.time
    async with ApiServer(login) as server:
        watched = process.build_watched(settings, server, clock=clock)
        leadership = Leadership(
            server,
            process.lease_namespaces(settings, server),
            me=f"release-{settings.instance}_{uuid4().hex[:8]}",
            takes_over=True,
        )
        supporting = [
            asyncio.create_task(each.run(), name=f"watch {each.collection.path}")
            for each in watched.watches
        ]
        supporting.append(asyncio.create_task(leadership.run(), name="leadership"))
        brokers = KubernetesBrokers(
            Secrets(server, clock=clock), own_url=settings.broker_url, clock=clock
        )
        replicas = PodReplicas(server, watched, clock=clock)
        try:
            await _take_over(watched, leadership, within_s=within_s)
            pools = await _listed(server, settings.scopes)
            return await release(pools, brokers, replicas, clock=clock, within_s=within_s)
        finally:
            for task in supporting:
                task.cancel()
            await asyncio.gather(*supporting, return_exceptions=True)
            await brokers.close()


async def _take_over(watched: Watched, leadership: Leadership, *, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await asyncio.gather(*(watch.listed() for watch in watched.watches))
            await leadership.gained()
            # Until then whoever led may not have noticed.
            await asyncio.sleep(lease.RENEW_DEADLINE_S)
    except TimeoutError as error:
        hint = "does the API server answer, and do the namespaces exist?"
        raise ApiServerUnreachable(
            f"no replica was woken: the operator's Lease could not be taken within {within_s:g} s "
            f"({leadership.problem or hint})"
        ) from error


async def release(
    pools: Collection[WorkerPool],
    brokers: Brokers,
    replicas: Replicas,
    *,
    clock: Callable[[], float],
    within_s: float,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Released:
    """Wake what drains for these pools, round by round: workers are heard one after the other."""
    turns = Turns(replicas=replicas, reports=_Untold(), clock=clock)
    ends_at_s = clock() + within_s
    draining = await _draining(pools, replicas)
    found = {name for names in draining.values() for name in names}
    while draining and clock() < ends_at_s:
        groups, _ = await views.grouped([pool for pool in pools if pool.key in draining], brokers)
        for group in groups:
            view = await views.look(group)
            for pool in group.pools:
                try:
                    await turns.let_go(pool, view, FRESH)
                except CeleriacError as error:
                    fields = {"pool": str(pool.key), "error": str(error)}
                    logger.warning("replicas not woken yet", extra=fields)
        await wait(ROUND_S)
        draining = await _draining(pools, replicas)
    left = {name for names in draining.values() for name in names}
    return Released(woken=tuple(sorted(found - left)), left=tuple(sorted(left)))


async def _draining(
    pools: Collection[WorkerPool], replicas: Replicas
) -> Mapping[PoolKey, tuple[str, ...]]:
    """The replicas that are marked, of pools that have any."""
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


async def _listed(server: ApiServer, scopes: Sequence[str | None]) -> list[WorkerPool]:
    pools: list[WorkerPool] = []
    for namespace in scopes:
        path = kinds.path(specs.API_VERSION, specs.PLURAL, namespace=namespace)
        async for page in server.pages(path):
            for item in page.get("items") or ():
                pool = roster.parse_pool(item)
                if isinstance(pool, WorkerPool):
                    pools.append(pool)
                else:
                    logger.warning("pool skipped", extra={"pool": str(pool.key)})
    return pools
