"""The operator process: kopf, the watches, the writers and the loop, started and ended together."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kopf

from app.control import spec
from app.control.loop import Loop
from app.errors import CeleriacError, InvalidInput, NotFound
from app.operator import kinds, kopf_settings
from app.operator.apiserver import ApiServer
from app.operator.autoscalers import AutoscalerStore
from app.operator.brokers import KubernetesBrokers
from app.operator.login import Login
from app.operator.metrics import OperatorMetrics
from app.operator.pods import PodStore
from app.operator.replicas import PodReplicas, Watched
from app.operator.reports import KubernetesReports
from app.operator.roster import Roster
from app.operator.scale import ScaleStore, group_of
from app.operator.secrets import Secrets
from app.operator.settings import OperatorSettings
from app.operator.watch import Collection, Store, Watch

logger = logging.getLogger(__name__)

RETRY_S = 1.0
FLUSH_S = 5.0
"""How long the last statuses may take when the process ends."""
TICK_LIMIT_S = 60.0
"""A loop that has not turned for this long is not alive."""
START_LIMIT_S = 600.0
"""The same before its first turn: an API server that is away is not mended by our restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs side by side."""

    watched: Watched
    roster: Roster
    reports: KubernetesReports
    metrics: OperatorMetrics
    brokers: KubernetesBrokers
    loop: Loop


class Liveness:
    """Answers whether the loop turns."""

    def __init__(self, reports: KubernetesReports, *, clock: Callable[[], float]) -> None:
        self._reports = reports
        self._clock = clock
        self._started_at_s = clock()

    def check(self, **_: Any) -> dict[str, float | int]:
        """A probe of kopf's. Raises `kopf.PermanentError`: other errors are retried inside it."""
        last = self._reports.last
        since_s = last.tick.ended_at_s if last is not None else self._started_at_s
        age_s = self._clock() - since_s
        if age_s > (TICK_LIMIT_S if last is not None else START_LIMIT_S):
            raise kopf.PermanentError(f"the loop has not turned for {age_s:.0f} s")
        if last is None:
            return {"tickAgeSeconds": round(age_s, 1)}
        return {
            "tickAgeSeconds": round(age_s, 1),
            "pools": last.tick.pools,
            "failedPools": len(last.tick.failed),
            "tickP50Seconds": round(self._reports.tick_quantile_s(0.50), 4),
            "tickP99Seconds": round(self._reports.tick_quantile_s(0.99), 4),
        }


async def run(settings: OperatorSettings, login: Login) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises `InvalidInput` where the cluster has no WorkerPool kind or there is nothing to log in
    with; any other error ends the process too, and Kubernetes starts it again.
    """
    clock = time.time
    metrics = OperatorMetrics()
    async with ApiServer(login, on_write=metrics.wrote) as server:
        await _wait_for_definition(server)
        stop, kopf_stop = asyncio.Event(), asyncio.Event()
        parts = build_parts(settings, server, metrics=metrics, clock=clock)
        liveness = Liveness(parts.reports, clock=clock)
        registry = build_registry(login, parts.roster, liveness)
        with parts.metrics.serving(host=settings.metrics_host, port=settings.metrics_port):
            async with asyncio.TaskGroup() as group:
                kopf_runs = _run_kopf(settings, registry, on_signal=stop.set, stop=kopf_stop)
                group.create_task(kopf_runs, name="kopf")
                work = group.create_task(_work(parts), name="work")
                await stop.wait()
                work.cancel()
                await asyncio.wait({work})
                kopf_stop.set()


def build_registry(login: Login, pools: Roster, liveness: Liveness) -> kopf.OperatorRegistry:
    """What kopf does for us: log in, tell of pools, answer the liveness probe.

    No handler here needs a finalizer, so none is ever set on a WorkerPool.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await login.connection()

    @kopf.on.event(spec.GROUP, spec.VERSION, spec.PLURAL, registry=registry)
    async def hear(type: str | None, body: kopf.Body, **_: Any) -> None:
        pools.hear(body, is_gone=type == "DELETED")

    kopf.on.probe(registry=registry, id="loop")(liveness.check)
    return registry


def build_parts(
    settings: OperatorSettings,
    server: ApiServer,
    *,
    metrics: OperatorMetrics,
    clock: Callable[[], float],
) -> _Parts:
    """Put the adapters together; nothing is opened or started."""
    watched = build_watched(settings, server, clock=clock)
    pools = Roster(server, namespaces=settings.scopes, is_dry_run=settings.is_dry_run)
    reports = KubernetesReports(server, pools, instance=settings.instance, metrics=metrics)
    secrets = Secrets(server, clock=clock)
    brokers = KubernetesBrokers(secrets, own_url=settings.broker_url, clock=clock)
    replicas = PodReplicas(server, watched, clock=clock)
    loop = Loop(pools=pools, brokers=brokers, replicas=replicas, reports=reports, clock=clock)
    return _Parts(
        watched=watched,
        roster=pools,
        reports=reports,
        metrics=metrics,
        brokers=brokers,
        loop=loop,
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


async def _work(parts: _Parts) -> None:
    """Everything but kopf. When cancelled, the loop ends first and the last statuses go out."""
    async with asyncio.TaskGroup() as group:
        supporting = [
            *(
                group.create_task(each.run(), name=f"watch {each.collection.path}")
                for each in parts.watched.watches
            ),
            group.create_task(parts.roster.call_rolls(), name="roll calls"),
            group.create_task(parts.reports.run(), name="reports"),
        ]
        try:
            await asyncio.gather(*(watch.listed() for watch in parts.watched.watches))
            await parts.roster.complete()
            logger.info("operator runs", extra={"pools": len(parts.roster.current())})
            await parts.loop.run()
        finally:
            await parts.reports.flushed(within_s=FLUSH_S)
            for task in supporting:
                task.cancel()
            await parts.brokers.close()


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
        liveness_endpoint=settings.liveness_url,
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
