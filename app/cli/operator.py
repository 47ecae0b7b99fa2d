"""`celeriac operator`: the Kubernetes operator in this process."""

import asyncio
import os
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from app.errors import CeleriacError, InvalidInput
from app.telemetry import logs
from app.telemetry.logs import LogFormat


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
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[LogFormat | None, typer.Option(help="json or text.")] = None,
) -> None:
    """Size the WorkerPools of a Kubernetes cluster, until SIGTERM."""
    logs.configure(log_level, log_format=log_format)
    from pydantic import SecretStr

    from app.broker import address
    from app.operator import lifecycle as process  # kopf takes a second to import
    from app.operator.kubernetes import login
    from app.operator.settings import OperatorSettings
    from app.settings import BrokerSettings

    found = login.find_login(os.environ, home=Path.home())
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
        from app.operator import release as releasing

        released = asyncio.run(releasing.run(settings, found))
        _tell(released.woken, released.left)
        return
    asyncio.run(process.run(settings, found, show=typer.echo))


def _tell(woken: Collection[str], left: Collection[str]) -> None:
    """Raises CeleriacError where replicas are left that drain."""
    typer.echo(f"{len(woken)} draining replicas consume again")
    if left:
        raise CeleriacError(
            f"not heard, so not woken: {', '.join(left)}. Restart these pods if they still run"
        )
