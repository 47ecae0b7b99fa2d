"""`celeriac exporter`: metrics of any Celery application on Redis."""

import asyncio
import time
from typing import Annotated

import typer

from app.cli import exchanges
from app.telemetry import logs
from app.telemetry.logs import LogFormat

PORT = 9808
"""Celery-exporter's own."""


def exporter(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = PORT,
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
            callback=exchanges.check_exchange, help="`event_exchange` of the application."
        ),
    ] = "celeryev",
    control_exchange: Annotated[
        str,
        typer.Option(
            callback=exchanges.check_exchange, help="`control_exchange` of the application."
        ),
    ] = "celery",
    fanout_prefix: Annotated[
        str,
        typer.Option(
            callback=exchanges.check_fanout_prefix,
            help="`fanout_prefix` of the application's transport options.",
        ),
    ] = "/{db}.",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[LogFormat | None, typer.Option(help="json or text.")] = None,
) -> None:
    """Serve the metrics of the Celery application on CELERY_BROKER_URL, until SIGTERM."""
    logs.configure(log_level, log_format=log_format)
    from app.broker import address, keys
    from app.exporter import process
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
        await process.run(found, host=host, port=port)

    asyncio.run(run())
