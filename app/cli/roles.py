"""`celeriac api`, `worker`, `beat`, `operator` and `exporter`: one role in this process."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.cli import option_values
from app.errors import CeleriacError, InvalidInput
from app.queues import PoolKind, Queue
from app.telemetry import logs
from app.telemetry.logs import LogFormat

CELERY_APP = "app.celery_app"
ASGI_APP = "app.main:app"

EXPORTER_PORT = 9808
"""Celery-exporter's own."""

SHUTDOWN_S = 5
"""How long open requests may go on after SIGTERM; event streams are cut then and resumed by their
clients from another server."""

HostOption = Annotated[str, typer.Option(envvar="CELERIAC_HOST", help="Where to listen.")]
PortOption = Annotated[int, typer.Option(envvar="CELERIAC_PORT", min=0, max=65535)]
INSECURE = "CELERIAC_INSECURE"

InsecureOption = Annotated[
    bool,
    typer.Option(envvar=INSECURE, help="Demand no API key: something else protects the API."),
]
LogLevelOption = Annotated[str, typer.Option(help="debug, info, warning or error.")]
LogFormatOption = Annotated[LogFormat | None, typer.Option(help="json or text.")]


def api(
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    insecure: InsecureOption = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    reload: Annotated[bool, typer.Option(help="Start again when the code changes.")] = False,
    log_level: LogLevelOption = "info",
) -> None:
    """Serve the HTTP API."""
    if insecure:
        os.environ[INSECURE] = "true"  # read by the application, which may be in other processes
    import uvicorn  # only this role needs it

    if workers > 1:  # uvicorn starts those that fail again, without end
        uvicorn.importer.import_from_string(ASGI_APP)
    uvicorn.run(
        ASGI_APP,
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        log_level=log_level,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def worker(
    context: typer.Context,
    *,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", "-q", help="May be given several times.")
    ] = None,
    pool: Annotated[
        PoolKind | None, typer.Option(help="Instead of the queue's own kind of pool.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Instead of the queue's own number of slots.")
    ] = None,
    log_level: LogLevelOption = "info",
) -> None:
    """Run a worker for some queues. Further arguments go to `celery worker` as they are."""
    known = known_queues()
    served = [find_queue(name, known) for name in queue or known]
    arguments = worker_arguments(served, pool=pool, concurrency=concurrency)
    _become_celery(["worker", *arguments, "--loglevel", log_level, *context.args])


def beat(context: typer.Context, *, log_level: LogLevelOption = "info") -> None:
    """Run the scheduler; two of them do no harm. Further arguments go to `celery beat`."""
    _become_celery(["beat", "--loglevel", log_level, *context.args])


PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""For commands whose further arguments are Celery's."""


def known_queues() -> Mapping[str, Queue]:
    """The declared queues and those of `CELERIAC_PIPELINES`. Raises RegistryError."""
    from app.pipelines import registry  # brings pydantic, which other commands need not wait for
    from app.settings import PipelineSettings

    return registry.queues_with(PipelineSettings().modules)


def find_queue(name: str, known: Mapping[str, Queue]) -> Queue:
    """The queue of this name. Raises InvalidInput."""
    found = known.get(name)
    if found is None:
        raise InvalidInput(f"no queue {name!r}; there are: {', '.join(known)}")
    return found


def worker_arguments(
    served: Sequence[Queue], *, pool: PoolKind | None = None, concurrency: int | None = None
) -> list[str]:
    """Arguments of `celery worker` for these queues.

    Processes serve all kinds of work, threads only what waits for the network: a worker of both
    takes processes, and as many slots as the widest of its queues has.
    """
    is_cpu_bound = any(queue.pool is PoolKind.PREFORK for queue in served)
    kind = pool or (PoolKind.PREFORK if is_cpu_bound else PoolKind.THREADS)
    slots = concurrency or max(queue.concurrency for queue in served)
    names = [queue.name for queue in served]
    node = names[0] if len(names) == 1 else "worker"
    return [
        *("--queues", ",".join(names)),
        *("--pool", kind.value),
        *("--concurrency", str(slots)),
        *("--hostname", f"{node}-{os.getpid()}@%h"),
    ]


def _become_celery(arguments: Sequence[str]) -> NoReturn:
    """Replace this process, so that signals reach Celery and not a parent of it."""
    command = celery_command(arguments, log_format=os.environ.get("CELERIAC_LOG_FORMAT"))
    os.execv(sys.executable, command)


def celery_command(arguments: Sequence[str], *, log_format: str | None) -> list[str]:
    """Celery's command line; without its banner where each line is to be JSON."""
    quiet = ["--quiet"] if log_format == "json" else []
    return [sys.executable, "-m", "celery", "-A", CELERY_APP, *quiet, *arguments]


def operator(
    *,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            envvar="CELERIAC_NAMESPACE",
            help="A namespace to serve; may be given several times.",
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Serve the whole cluster.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print what each pool should have, and write nothing anywhere.")
    ] = False,
    release: Annotated[
        bool,
        typer.Option(
            "--release",
            help="Wake every replica that drains, and end: before the operator is uninstalled.",
        ),
    ] = False,
    broker_url: Annotated[
        str | None,
        typer.Option(
            envvar="CELERIAC_DRY_RUN_BROKER_URL",
            help="In a dry run: read every pool's queues here, such as through a port-forward.",
        ),
    ] = None,
    lease_namespace: Annotated[
        str | None,
        typer.Option(
            envvar="CELERIAC_LEASE_NAMESPACE",
            help="With --all-namespaces: where the Lease is held, by default its own namespace.",
        ),
    ] = None,
    liveness_url: Annotated[
        str | None,
        typer.Option(
            "--liveness",
            help="Serve liveness here (http://0.0.0.0:8080/healthz), readiness at /readyz.",
        ),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Where metrics are served.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve metrics on this port.")
    ] = None,
    log_level: LogLevelOption = "info",
    log_format: LogFormatOption = None,
) -> None:
    """Size the WorkerPools of a Kubernetes cluster, until SIGTERM."""
    logs.configure(log_level, log_format=log_format)
    from pydantic import SecretStr

    from app.broker.connections import address
    from app.operator import lifecycle  # kopf takes a second to import
    from app.operator.kubernetes import credentials
    from app.operator.settings import OperatorSettings
    from app.settings import BrokerSettings

    found = credentials.find_login(os.environ, home=Path.home())
    if not (namespace or all_namespaces):
        raise InvalidInput("say which namespaces to serve: --namespace, or --all-namespaces")
    if namespace and all_namespaces:
        raise InvalidInput("either --namespace or --all-namespaces, not both")
    if release and dry_run:
        raise InvalidInput("either --release or --dry-run, not both")
    if broker_url and not dry_run:
        raise InvalidInput("--broker-url is for a dry run: pools name their brokers themselves")
    broker = BrokerSettings()
    settings = OperatorSettings(
        namespaces=tuple(namespace or ()),
        is_dry_run=dry_run,
        url_for_all=SecretStr(broker_url) if broker_url else None,
        lease_namespace=lease_namespace,
        broker_url=broker.broker_url if "broker_url" in broker.model_fields_set else None,
        sentinel=address.sentinel_entry_of(broker),
        liveness_url=liveness_url,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        instance=socket.gethostname(),
    )
    if release:
        from app.operator import release as operator_release

        released = asyncio.run(operator_release.run(settings, found))
        _tell(released.resumed, released.left)
        return
    asyncio.run(lifecycle.run(settings, found, show=typer.echo))


def _tell(woken: Collection[str], left: Collection[str]) -> None:
    """Raises CeleriacError where replicas are left that drain."""
    typer.echo(f"{len(woken)} draining replicas consume again")
    if left:
        raise CeleriacError(
            f"not heard, so not woken: {', '.join(left)}. Restart these pods if they still run"
        )


def exporter(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = EXPORTER_PORT,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", "-q", help="Known from the start; others are found. Repeatable."),
    ] = None,
    key_prefix: Annotated[
        str, typer.Option(help="`global_keyprefix` of the application's transport options.")
    ] = "",
    master_name: Annotated[
        str,
        typer.Option(
            help="The master set of a sentinel:// broker; CELERIAC_SENTINEL_MASTER by default."
        ),
    ] = "",
    event_exchange: Annotated[
        str,
        typer.Option(
            callback=option_values.check_exchange, help="`event_exchange` of the application."
        ),
    ] = "celeryev",
    control_exchange: Annotated[
        str,
        typer.Option(
            callback=option_values.check_exchange, help="`control_exchange` of the application."
        ),
    ] = "celery",
    fanout_prefix: Annotated[
        str,
        typer.Option(
            callback=option_values.check_fanout_prefix,
            help="`fanout_prefix` of the application's transport options.",
        ),
    ] = "/{db}.",
    log_level: LogLevelOption = "info",
    log_format: LogFormatOption = None,
) -> None:
    """Serve the metrics of the Celery application on CELERY_BROKER_URL, until SIGTERM."""
    logs.configure(log_level, log_format=log_format)
    from app.broker import keys
    from app.broker.connections import address
    from app.exporter import exporter
    from app.exporter.exporter import Exporter
    from app.settings import BrokerSettings

    place = address.address_of(BrokerSettings(), master_name=master_name)

    names = keys.Exchanges(
        events=event_exchange, control=control_exchange, fanout_prefix=fanout_prefix
    )

    async def run() -> None:
        found = Exporter(
            place, key_prefix=key_prefix, exchanges=names, queues=queue or (), clock=time.time
        )
        await exporter.run(found, host=host, port=port)

    asyncio.run(run())
