"""`celeriac api`, `worker`, `beat`, `operator` and `exporter`: run one role in this process."""

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
"""The port of celery-exporter, so that dashboards and scrape configs work for both."""

SHUTDOWN_S = 5
"""How long open requests may continue after SIGTERM. Event streams are then closed, and clients
resume them on another server."""

HostOption = Annotated[str, typer.Option(envvar="CELERIAC_HOST", help="Address to listen on.")]
PortOption = Annotated[
    int, typer.Option(envvar="CELERIAC_PORT", min=0, max=65535, help="Port to listen on.")
]
INSECURE = "CELERIAC_INSECURE"

InsecureOption = Annotated[
    bool,
    typer.Option(
        envvar=INSECURE, help="Require no API key, because something else protects the API."
    ),
]
LogLevelOption = Annotated[str, typer.Option(help="Log level: debug, info, warning or error.")]
LogFormatOption = Annotated[LogFormat | None, typer.Option(help="Log format: json or text.")]


def api(
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    insecure: InsecureOption = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes that share the port.")
    ] = 1,
    reload: Annotated[bool, typer.Option(help="Restart when the code changes.")] = False,
    log_level: LogLevelOption = "info",
) -> None:
    """Serve the HTTP API."""
    if insecure:
        os.environ[INSECURE] = "true"  # read by the application, which may be in other processes
    import uvicorn  # only this role needs it

    if workers > 1:  # uvicorn restarts failing processes without end
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
        list[str] | None,
        typer.Option(
            "--queue", "-q", help="Queue to serve. Repeatable. Default: all declared queues."
        ),
    ] = None,
    pool: Annotated[
        PoolKind | None, typer.Option(help="Pool class. Default: that of the queue.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Number of slots. Default: that of the queue.")
    ] = None,
    log_level: LogLevelOption = "info",
) -> None:
    """Run a worker for queues. Further arguments are passed to `celery worker`."""
    known = known_queues()
    served = [find_queue(name, known) for name in queue or known]
    arguments = worker_arguments(served, pool=pool, concurrency=concurrency)
    _become_celery(["worker", *arguments, "--loglevel", log_level, *context.args])


def beat(context: typer.Context, *, log_level: LogLevelOption = "info") -> None:
    """Run the scheduler. Several instances may run at once. Further arguments are passed to `celery
    beat`."""
    _become_celery(["beat", "--loglevel", log_level, *context.args])


PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of commands that pass further arguments to Celery."""


def known_queues() -> Mapping[str, Queue]:
    """The declared queues and those of `CELERIAC_PIPELINES`. Raises RegistryError."""
    from app.pipelines import registry  # imports pydantic, which other commands do not need
    from app.settings import PipelineSettings

    return registry.queues_with(PipelineSettings().modules)


def find_queue(name: str, known: Mapping[str, Queue]) -> Queue:
    """The queue of this name. Raises InvalidInput."""
    found = known.get(name)
    if found is None:
        raise InvalidInput(f"no queue {name!r}; known queues: {', '.join(known)}")
    return found


def worker_arguments(
    served: Sequence[Queue], *, pool: PoolKind | None = None, concurrency: int | None = None
) -> list[str]:
    """Arguments of `celery worker` for these queues.

    Processes suit every kind of work, threads only tasks that wait for the network. A worker of
    several queues therefore uses processes if one of them does, and the largest concurrency.
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
    """Replace this process, so that signals reach Celery directly."""
    command = celery_command(arguments, log_format=os.environ.get("CELERIAC_LOG_FORMAT"))
    os.execv(sys.executable, command)


def celery_command(arguments: Sequence[str], *, log_format: str | None) -> list[str]:
    """Celery's command line, without the banner if the log is JSON."""
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
            help="Namespace to serve. Repeatable.",
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Serve all namespaces.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the decisions and write nothing.")] = False,
    release: Annotated[
        bool,
        typer.Option(
            "--release",
            help="Resume draining replicas and exit. Run it before you uninstall the operator.",
        ),
    ] = False,
    broker_url: Annotated[
        str | None,
        typer.Option(
            envvar="CELERIAC_DRY_RUN_BROKER_URL",
            help="With --dry-run: read all queues from this broker, for example a port-forward.",
        ),
    ] = None,
    lease_namespace: Annotated[
        str | None,
        typer.Option(
            envvar="CELERIAC_LEASE_NAMESPACE",
            help="With --all-namespaces: namespace of the Lease. Default: that of the operator.",
        ),
    ] = None,
    liveness_url: Annotated[
        str | None,
        typer.Option(
            "--liveness",
            help="URL to serve liveness at (http://0.0.0.0:8080/healthz); readiness is at /readyz.",
        ),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to serve metrics on.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to serve metrics on. Default: no metrics."),
    ] = None,
    log_level: LogLevelOption = "info",
    log_format: LogFormatOption = None,
) -> None:
    """Run the operator, which scales the WorkerPools of a Kubernetes cluster, until SIGTERM."""
    logs.configure(log_level, log_format=log_format)
    from pydantic import SecretStr

    from app.broker.connections import address
    from app.operator import kopf_process  # kopf takes a second to import
    from app.operator.kubernetes import credentials
    from app.operator.settings import OperatorSettings
    from app.settings import BrokerSettings

    found = credentials.find_login(os.environ, home=Path.home())
    if not (namespace or all_namespaces):
        raise InvalidInput("set the namespaces to serve with --namespace or --all-namespaces")
    if namespace and all_namespaces:
        raise InvalidInput("set either --namespace or --all-namespaces, not both")
    if release and dry_run:
        raise InvalidInput("set either --release or --dry-run, not both")
    if broker_url and not dry_run:
        raise InvalidInput("--broker-url needs --dry-run: otherwise each pool names its own broker")
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
        _report_release(released.resumed, released.left)
        return
    asyncio.run(kopf_process.run(settings, found, show=typer.echo))


def _report_release(resumed: Collection[str], left: Collection[str]) -> None:
    """Raises CeleriacError if replicas still drain."""
    typer.echo(f"{len(resumed)} draining replicas consume again")
    if left:
        raise CeleriacError(
            f"no heartbeat, still draining: {', '.join(left)}. Restart these pods if they still run"
        )


def exporter(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = EXPORTER_PORT,
    queue: Annotated[
        list[str] | None,
        typer.Option(
            "--queue",
            "-q",
            help="Queue to report from the start; others are discovered. Repeatable.",
        ),
    ] = None,
    key_prefix: Annotated[
        str, typer.Option(help="`global_keyprefix` of the application's transport options.")
    ] = "",
    master_name: Annotated[
        str,
        typer.Option(
            help="Master name of a sentinel:// broker. Default: CELERIAC_SENTINEL_MASTER."
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
    """Serve Prometheus metrics of the Celery application on CELERY_BROKER_URL, until SIGTERM."""
    logs.configure(log_level, log_format=log_format)
    from app.broker import redis_keys
    from app.broker.connections import address
    from app.exporter import exporter
    from app.exporter.exporter import Exporter
    from app.settings import BrokerSettings

    target = address.address_of(BrokerSettings(), master_name=master_name)

    names = redis_keys.Exchanges(
        events=event_exchange, control=control_exchange, fanout_prefix=fanout_prefix
    )

    async def run() -> None:
        found = Exporter(
            target, key_prefix=key_prefix, exchanges=names, queues=queue or (), clock=time.time
        )
        await exporter.run(found, host=host, port=port)

    asyncio.run(run())
