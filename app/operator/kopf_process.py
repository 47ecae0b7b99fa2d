"""The operator process: kopf starts the work, ends it on SIGTERM, and logs in.

What the loop decides on does not come from kopf's handlers: docs/decisions/one-way-to-watch.md.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Iterator
from typing import Any

import kopf

from app.broker.workers import heartbeats
from app.control.pool import spec
from app.errors import CeleriacError, InvalidInput, NotFound
from app.operator import assembly, probes
from app.operator.assembly import OperatorParts
from app.operator.dry_run import ReadOnlyApiServer, Show
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.kubernetes.credentials import Login
from app.operator.leadership.election import lead
from app.operator.metrics import OperatorMetrics
from app.operator.probes import Liveness, Readiness
from app.operator.settings import OperatorSettings

logger = logging.getLogger(__name__)

RETRY_S = 1.0
FLUSH_S = 5.0
"""The time for the last statuses when the process ends."""
READINESS_S = 1.0
KOPF_REQUEST_TIMEOUT_S = 20.0
KOPF_CONNECT_TIMEOUT_S = 5.0


async def run(settings: OperatorSettings, login: Login, *, show: Show) -> None:
    """Run the operator until SIGTERM or SIGINT; a dry run shows what it recommends.

    Raises `InvalidInput` where the cluster has no WorkerPool kind or there are no credentials.
    Any other error ends the process too, and Kubernetes restarts it.
    """
    clock = time.time
    # The loop logs an outage of a broker, once for everything that depends on it.
    logging.getLogger(heartbeats.__name__).setLevel(logging.ERROR)
    metrics = OperatorMetrics()
    kind = ReadOnlyApiServer if settings.is_dry_run else ApiServer
    async with kind(login, on_write=metrics.count_write) as server:
        await _wait_for_definition(server)
        parts = assembly.build_parts(settings, server, metrics=metrics, show=show, clock=clock)
        liveness = Liveness(
            parts.reports, is_leading=lambda: parts.leadership.is_leading, clock=clock
        )
        readiness = Readiness(parts.needs, on_change=metrics.ready.set)
        async with probes.serving(settings.liveness_url, liveness, readiness):
            with metrics.serving(host=settings.metrics_host, port=settings.metrics_port):
                await _run_in_kopf(settings, login, parts, readiness)


async def _run_in_kopf(
    settings: OperatorSettings, login: Login, parts: OperatorParts, readiness: Readiness
) -> None:
    """Run kopf with the work between its startup and its cleanup; work that fails ends kopf."""
    registry, stop = kopf.OperatorRegistry(), asyncio.Event()
    work: asyncio.Task[None] | None = None

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await login.connection()

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        nonlocal work
        work = asyncio.create_task(_work(parts, readiness), name="work")
        work.add_done_callback(lambda _: stop.set())

    @kopf.on.cleanup(registry=registry)
    async def finish(**_: Any) -> None:
        if work is not None:
            work.cancel()
            await asyncio.wait({work})

    await kopf.operator(
        registry=registry,
        settings=_kopf_settings(),
        # By default kopf asks for the name of our user, which a container may not have.
        identity=settings.instance,  # type: ignore[arg-type]  # its type is private to kopf
        namespaces=settings.namespaces,
        clusterwide=not settings.namespaces,
        stop_flag=stop,
    )
    if work is not None and not work.cancelled():
        work.result()


async def _work(parts: OperatorParts, readiness: Readiness) -> None:
    """All tasks of the operator. On cancellation the loop ends first, then the last writes."""
    async with asyncio.TaskGroup() as group:
        supporting = [
            *(
                group.create_task(each.run(), name=f"informer {each.collection.path}")
                for each in parts.caches.informers
            ),
            group.create_task(parts.reports.run(), name="reports"),
            group.create_task(_check_readiness(readiness), name="readiness"),
        ]
        electing: asyncio.Task[None] | None = None
        try:
            await parts.caches.listed()
            electing = group.create_task(parts.leadership.run(), name="leadership")
            await parts.leadership.gained()
            logger.info("operator runs", extra={"pools": len(parts.caches.pools.current())})
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


async def _check_readiness(readiness: Readiness) -> None:
    while True:
        readiness.check()
        await asyncio.sleep(READINESS_S)


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


class EndlessBackoffs:
    """Pauses between the attempts of a request, without end.

    After the last pause of a list kopf would give up and end the process.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0), itertools.repeat(2.0))


def _kopf_settings() -> kopf.OperatorSettings:
    """The settings that differ from kopf's defaults. kopf watches and writes nothing."""
    # At "info" its start-up and each login are logged, which only helps to debug kopf.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_not_a_retry)
    settings = kopf.OperatorSettings()
    # A Role does not allow to watch namespaces and definitions.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.networking.request_timeout = KOPF_REQUEST_TIMEOUT_S
    settings.networking.connect_timeout = KOPF_CONNECT_TIMEOUT_S
    settings.networking.error_backoffs = EndlessBackoffs()
    return settings


def _is_not_a_retry(record: logging.LogRecord) -> bool:
    """Our own client logs an outage of the API server once; kopf would log each attempt."""
    is_kopf = record.name.partition(".")[0] == "kopf"
    return not (is_kopf and str(record.msg).startswith("Request attempt "))
