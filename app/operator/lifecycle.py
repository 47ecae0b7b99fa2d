"""The operator process: kopf, the watches, the writers and the loop, started and ended together."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import kopf

from app.broker.workers import heartbeats
from app.control.loop import Loop
from app.control.pool import spec
from app.control.ports import Brokers
from app.errors import CeleriacError, InvalidInput, NotFound
from app.operator import kopf_settings, probes
from app.operator.dry_run import (
    PrintedReports,
    ReadOnlyApiServer,
    ReadOnlyBrokers,
    ReadOnlyReplicas,
)
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.kubernetes.informer import Collection, Store, Watch
from app.operator.kubernetes.login import Login
from app.operator.leadership.election import Leadership
from app.operator.leadership.leading import Unopposed, lead
from app.operator.metrics import OperatorMetrics
from app.operator.probes import Liveness, OperatorNeeds, Readiness
from app.operator.resources import workload_kinds as kinds
from app.operator.resources.autoscalers import AutoscalerStore
from app.operator.resources.broker_links import KubernetesBrokers
from app.operator.resources.pods import PodStore
from app.operator.resources.pool_cache import Roster
from app.operator.resources.replicas import PodReplicas, Watched
from app.operator.resources.scale import ScaleStore, group_of
from app.operator.resources.secrets import Secrets
from app.operator.settings import OperatorSettings
from app.operator.status.writer import KubernetesReports

logger = logging.getLogger(__name__)

RETRY_S = 1.0
FLUSH_S = 5.0
"""How long the last statuses may take when the process ends."""
READINESS_S = 1.0

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs side by side."""

    watched: Watched
    roster: Roster
    reports: KubernetesReports
    metrics: OperatorMetrics
    brokers: KubernetesBrokers
    loop: Loop
    leadership: Leadership | Unopposed

    def needs(self) -> OperatorNeeds:
        """What is known of the operator's work now."""
        watches = [each for each in self.watched.watches if not each.collection.is_optional]
        denied = (
            *(watch.denial for watch in watches),
            self.roster.denial,
            self.reports.denial,
            self.leadership.problem,
        )
        return OperatorNeeds(
            is_listed=self.roster.is_complete and all(each.is_listed for each in watches),
            denied=tuple(each for each in denied if each),
            silent_for_s=self.watched.silent_for_s(),
        )


async def run(settings: OperatorSettings, login: Login, *, show: Show) -> None:
    """Run the operator until SIGTERM or SIGINT; a dry run shows what it recommends.

    Raises `InvalidInput` where the cluster has no WorkerPool kind or there is nothing to log in
    with; any other error ends the process too, and Kubernetes starts it again.
    """
    clock = time.time
    # The loop tells of a broker's outage, once for all that depends on it.
    logging.getLogger(heartbeats.__name__).setLevel(logging.ERROR)
    metrics = OperatorMetrics()
    kind = ReadOnlyApiServer if settings.is_dry_run else ApiServer
    async with kind(login, on_write=metrics.wrote) as server:
        await _wait_for_definition(server)
        stop, kopf_stop = asyncio.Event(), asyncio.Event()
        parts = build_parts(settings, server, metrics=metrics, show=show, clock=clock)
        registry = build_registry(login, parts.roster, parts.reports)
        liveness = Liveness(
            parts.reports, is_leading=lambda: parts.leadership.is_leading, clock=clock
        )
        readiness = Readiness(parts.needs, on_change=metrics.ready.set)
        async with probes.serving(settings.liveness_url, liveness, readiness):
            with metrics.serving(host=settings.metrics_host, port=settings.metrics_port):
                async with asyncio.TaskGroup() as group:
                    kopf_runs = _run_kopf(settings, registry, on_signal=stop.set, stop=kopf_stop)
                    group.create_task(kopf_runs, name="kopf")
                    work = group.create_task(_work(parts, readiness), name="work")
                    await stop.wait()
                    work.cancel()
                    await asyncio.wait({work})
                    kopf_stop.set()


def build_registry(
    login: Login, pools: Roster, reports: KubernetesReports
) -> kopf.OperatorRegistry:
    """What kopf does for us: log in, and tell of pools.

    No handler here needs a finalizer, so none is ever set on a WorkerPool.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await login.connection()

    @kopf.on.event(spec.GROUP, spec.VERSION, spec.PLURAL, registry=registry)
    async def hear(type: str | None, body: kopf.Body, **_: Any) -> None:
        pools.hear(body, is_gone=type == "DELETED")
        reports.heard(body)

    return registry


def build_parts(
    settings: OperatorSettings,
    server: ApiServer,
    *,
    metrics: OperatorMetrics,
    show: Show,
    clock: Callable[[], float],
) -> _Parts:
    """Put the adapters together; nothing is opened or started."""
    watched = build_watched(settings, server, clock=clock)
    pools = Roster(server, namespaces=settings.scopes, is_dry_run=settings.is_dry_run)
    brokers = KubernetesBrokers(
        Secrets(server, clock=clock),
        own_url=settings.broker_url,
        url_for_all=settings.url_for_all,
        own_sentinel=settings.sentinel,
        clock=clock,
        has_revocations=not settings.is_dry_run,
    )
    reports = KubernetesReports(server, pools, instance=settings.instance, metrics=metrics)
    replicas = PodReplicas(server, watched, clock=clock)
    used_brokers: Brokers = brokers
    leadership: Leadership | Unopposed = _leadership(settings, server, metrics=metrics)
    if settings.is_dry_run:
        reports = PrintedReports(server, pools, metrics=metrics, show=show)
        replicas = ReadOnlyReplicas(server, watched, clock=clock)
        used_brokers = ReadOnlyBrokers(brokers)
        leadership = Unopposed()
    return _Parts(
        watched=watched,
        roster=pools,
        reports=reports,
        metrics=metrics,
        brokers=brokers,
        loop=Loop(
            pools=pools, brokers=used_brokers, replicas=replicas, reports=reports, clock=clock
        ),
        leadership=leadership,
    )


def lease_namespaces(settings: OperatorSettings, server: ApiServer) -> tuple[str, ...]:
    """Where the Leases are: in what is served, or of the whole cluster in one place."""
    own = settings.lease_namespace or server.namespace or "default"
    return settings.namespaces or (own,)


def _leadership(
    settings: OperatorSettings, server: ApiServer, *, metrics: OperatorMetrics
) -> Leadership:
    return Leadership(
        server,
        lease_namespaces(settings, server),
        me=f"{settings.instance}_{uuid4().hex[:8]}",
        on_change=metrics.leads.set,
    )


def build_watched(
    settings: OperatorSettings, server: ApiServer, *, clock: Callable[[], float]
) -> Watched:
    """The watches, one for each kind and namespace."""
    pods, autoscalers = PodStore(), AutoscalerStore()
    scales = [
        ScaleStore(group=group_of(each.api_version), kind=each.kind) for each in kinds.WATCHED
    ]
    stores: list[tuple[str, str, Store, bool]] = [
        ("v1", "pods", pods, False),
        ("autoscaling/v2", "horizontalpodautoscalers", autoscalers, True),
        *(
            (each.api_version, each.plural, store, False)
            for each, store in zip(kinds.WATCHED, scales, strict=True)
        ),
    ]
    watches = [
        Watch(
            server,
            Collection(
                name=plural,
                path=kinds.path(version, plural, namespace=namespace),
                is_optional=is_optional,
            ),
            store,
            clock=clock,
        )
        for namespace in settings.scopes
        for version, plural, store, is_optional in stores
    ]
    return Watched(pods=pods, scales=scales, autoscalers=autoscalers, watches=watches)


async def _work(parts: _Parts, readiness: Readiness) -> None:
    """Everything but kopf. When cancelled, the loop ends first and the last statuses go out."""
    async with asyncio.TaskGroup() as group:
        supporting = [
            *(
                group.create_task(each.run(), name=f"watch {each.collection.path}")
                for each in parts.watched.watches
            ),
            group.create_task(parts.roster.call_rolls(), name="roll calls"),
            group.create_task(parts.reports.run(), name="reports"),
            group.create_task(_tell_readiness(readiness), name="readiness"),
        ]
        electing: asyncio.Task[None] | None = None
        try:
            await asyncio.gather(*(watch.listed() for watch in parts.watched.watches))
            await parts.roster.complete()
            electing = group.create_task(parts.leadership.run(), name="leadership")
            await parts.leadership.gained()
            logger.info("operator runs", extra={"pools": len(parts.roster.current())})
            await lead(parts.leadership, parts.loop, on_lost=parts.reports.stand_down)
        finally:
            await parts.reports.flushed(within_s=FLUSH_S)
            if electing is not None:
                electing.cancel()
                await asyncio.wait({electing})
            await parts.leadership.release()
            for task in supporting:
                task.cancel()
            await parts.brokers.close()


async def _tell_readiness(readiness: Readiness) -> None:
    while True:
        readiness.check()
        await asyncio.sleep(READINESS_S)


async def _run_kopf(
    settings: OperatorSettings,
    registry: kopf.OperatorRegistry,
    *,
    on_signal: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """kopf, until it is told to stop. Its own signal handlers give way to ours: the loop ends
    before the tasks that kopf takes for its own are cancelled."""
    configured = kopf.OperatorSettings()
    kopf_settings.configure(configured)
    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=configured,
        # kopf would ask for the name of our user, whom a container need not know.
        identity=settings.instance,  # type: ignore[arg-type]  # a type that kopf keeps to itself
        namespaces=settings.namespaces,
        clusterwide=not settings.namespaces,
        stop_flag=stop,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    await kopf.run_tasks(tasks, ignored=ours)


async def _wait_for_definition(server: ApiServer) -> None:
    while True:
        try:
            await server.get(f"/apis/{spec.API_VERSION}")
        except NotFound as error:
            raise InvalidInput(
                f"this cluster has no {spec.KIND}: install its definition first "
                "(celeriac pools crd | kubectl apply --server-side -f -)"
            ) from error
        except CeleriacError as error:
            logger.warning("no API server yet", extra={"error": str(error)})
            await asyncio.sleep(RETRY_S)
        else:
            return
