"""`celeriac console`: the console of any Celery application on Redis."""

import socket
import time
from pathlib import Path
from typing import Annotated

import typer

from app.cli.foreign import brokers
from app.cli.foreign.brokers import KeyPrefixOption, MasterOption
from app.cli.option_values import ControlExchangeOption, EventExchangeOption
from app.cli.roles import LogFormatOption, LogLevelOption
from app.errors import InvalidInput
from app.telemetry import logs

PORT = 5555
"""The port of Flower."""
DAY_S = 86_400
MIB = 1024 * 1024

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        "-b",
        envvar=["CELERIAC_CONSOLE_BROKER_URL", "CELERY_BROKER_URL"],
        help="URL of the application's broker. Default: redis://localhost:6379/0.",
    ),
]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Listen beyond this machine, without any sign-in.")
]
ReadOnlyOption = Annotated[
    bool, typer.Option("--read-only", help="Show everything, and change nothing.")
]
HistoryOption = Annotated[
    Path | None,
    typer.Option(help="File of the history. Default: one for each broker in the state folder."),
]
KeepOption = Annotated[float, typer.Option(min=0, help="Days to keep tasks.")]
KeepFailuresOption = Annotated[float, typer.Option(min=0, help="Days to keep failed tasks.")]
SizeOption = Annotated[int, typer.Option(min=1, help="Largest size of the history, in MiB.")]
EventsOption = Annotated[
    bool,
    typer.Option(
        "--enable-events/--no-enable-events",
        help="Ask workers to send events about their tasks, as their option -E does.",
    ),
]


def console(
    *,
    broker: BrokerOption = None,
    port: PortOption = PORT,
    host: HostOption = "127.0.0.1",
    insecure: InsecureOption = False,
    read_only: ReadOnlyOption = False,
    history: HistoryOption = None,
    keep_days: KeepOption = 7.0,
    keep_failures_days: KeepFailuresOption = 30.0,
    max_size: SizeOption = 1024,
    enable_events: EventsOption = True,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    event_exchange: EventExchangeOption = "celeryev",
    control_exchange: ControlExchangeOption = "celery",
    log_level: LogLevelOption = "warning",
    log_format: LogFormatOption = None,
) -> None:
    """Serve pages about any Celery application on Redis: queues, workers, tasks, failures.

    Nothing in the application changes. What is seen is kept in a file, so that a restart forgets
    nothing.
    """
    logs.configure(log_level, log_format=log_format)
    import uvicorn

    from app.broker.redis_keys import Exchanges
    from app.console import browser_trust
    from app.foreign import console_server, history_schema
    from app.foreign.history_writer import Retention
    from app.foreign.observer import Observer

    if not (insecure or browser_trust.is_loopback(host)):
        raise InvalidInput(
            f"{host} is reached from other machines, and the console has no accounts: "
            "leave out --host, or add --insecure if a proxy in front of it asks who comes"
        )
    address = brokers.address_of(broker or "redis://localhost:6379/0", master_name=master_name)
    observer = Observer(
        address,
        history=history or history_schema.default_path(address, key_prefix=key_prefix),
        retention=Retention(
            tasks_s=keep_days * DAY_S,
            failures_s=keep_failures_days * DAY_S,
            size_bytes=max_size * MIB,
        ),
        key_prefix=key_prefix,
        exchanges=Exchanges(events=event_exchange, control=control_exchange),
        enables_events=enable_events,
        clock=time.time,
    )
    application = console_server.build(observer, is_open=insecure, is_read_only=read_only)
    listener = _listen(host, port)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, access_log=False))
    url = f"http://{_shown(host)}:{listener.getsockname()[1]}"
    typer.echo(f"Console of {address}: {url}  (Ctrl-C ends it)", err=True)
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Raises InvalidInput."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(
            f"cannot listen on port {port} of {host}: {reason}. Name another one with --port"
        ) from error


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
