"""`celeriac operator` and `celeriac exporter`: roles that serve any Celery application."""

import asyncio
import os
import socket
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from app.cli import option_values
from app.cli.foreign.brokers import KeyPrefixOption
from app.cli.option_values import ControlExchangeOption, EventExchangeOption
from app.cli.roles import LogFormatOption, LogLevelOption
from app.errors import CeleriacError, InvalidInput
from app.telemetry import logs

EXPORTER_PORT = 9808
"""The port of celery-exporter, so that dashboards and scrape configs work for both."""

NamespacesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        "-n",
        envvar="CELERIAC_NAMESPACE",
        help="Namespace to serve. Repeatable.",
    ),
]
AllNamespacesOption = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Serve all namespaces.")
]
DryRunOption = Annotated[bool, typer.Option(help="Print the decisions and write nothing.")]
ReleaseOption = Annotated[
    bool,
    typer.Option(
        "--release",
        help="Resume draining replicas and exit. Run it before you uninstall the operator.",
    ),
]
DryRunBrokerOption = Annotated[
    str | None,
    typer.Option(
        envvar="CELERIAC_DRY_RUN_BROKER_URL",
        help="With --dry-run: read all queues from this broker, for example a port-forward.",
    ),
]
LeaseNamespaceOption = Annotated[
    str | None,
    typer.Option(
        envvar="CELERIAC_LEASE_NAMESPACE",
        help="With --all-namespaces: namespace of the Lease. Default: that of the operator.",
    ),
]
LivenessOption = Annotated[
    str | None,
    typer.Option(
        "--liveness",
        help="URL to serve liveness at (http://0.0.0.0:8080/healthz); readiness is at /readyz.",
    ),
]
MetricsHostOption = Annotated[str, typer.Option(help="Address to serve metrics on.")]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to serve metrics on. Default: no metrics."),
]


def operator(
    *,
    namespace: NamespacesOption = None,
    all_namespaces: AllNamespacesOption = False,
    dry_run: DryRunOption = False,
    release: ReleaseOption = False,
    broker_url: DryRunBrokerOption = None,
    lease_namespace: LeaseNamespaceOption = None,
    liveness_url: LivenessOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    metrics_port: MetricsPortOption = None,
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
    _check_options(
        has_namespaces=bool(namespace),
        all_namespaces=all_namespaces,
        dry_run=dry_run,
        release=release,
        has_broker=bool(broker_url),
    )
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


def _check_options(
    *, has_namespaces: bool, all_namespaces: bool, dry_run: bool, release: bool, has_broker: bool
) -> None:
    """Raises InvalidInput for options that contradict each other."""
    if not (has_namespaces or all_namespaces):
        raise InvalidInput("set the namespaces to serve with --namespace or --all-namespaces")
    if has_namespaces and all_namespaces:
        raise InvalidInput("set either --namespace or --all-namespaces, not both")
    if release and dry_run:
        raise InvalidInput("set either --release or --dry-run, not both")
    if has_broker and not dry_run:
        raise InvalidInput("--broker-url needs --dry-run: otherwise each pool names its own broker")


def _report_release(resumed: Collection[str], left: Collection[str]) -> None:
    """Raises CeleriacError if replicas still drain."""
    typer.echo(f"{len(resumed)} draining replicas consume again")
    if left:
        raise CeleriacError(
            f"no heartbeat, still draining: {', '.join(left)}. Restart these pods if they still run"
        )


ExporterHostOption = Annotated[str, typer.Option(help="Address to listen on.")]
ExporterPortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
KnownQueuesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--queue",
        "-q",
        help="Queue to report from the start; others are discovered. Repeatable.",
    ),
]
MasterNameOption = Annotated[
    str,
    typer.Option(help="Master name of a sentinel:// broker. Default: CELERIAC_SENTINEL_MASTER."),
]
FanoutPrefixOption = Annotated[
    str,
    typer.Option(
        callback=option_values.check_fanout_prefix,
        help="`fanout_prefix` of the application's transport options.",
    ),
]


def exporter(
    *,
    host: ExporterHostOption = "127.0.0.1",
    port: ExporterPortOption = EXPORTER_PORT,
    queue: KnownQueuesOption = None,
    key_prefix: KeyPrefixOption = "",
    master_name: MasterNameOption = "",
    event_exchange: EventExchangeOption = "celeryev",
    control_exchange: ControlExchangeOption = "celery",
    fanout_prefix: FanoutPrefixOption = "/{db}.",
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
