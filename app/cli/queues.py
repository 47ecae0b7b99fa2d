"""`celeriac queues`: what the queues hold."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, output, running
from app.cli.output import Format, FormatOption

if TYPE_CHECKING:
    from app.local.status_file import UpStatus

Json = Any  # a JSON value: the type system has no better word for it

Found = Sequence[Mapping[str, Json]]
"""Queues as the API sends them, as far as they are known."""

COLUMNS = ("QUEUE", "READY", "UNACKED", "SCHEDULED", "OLDEST", "PURPOSE")

application = typer.Typer(help="Show what the queues hold.", no_args_is_help=True)


@application.command("list")
def list_queues(
    context: typer.Context,
    *,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the queues: ready over all priorities, fetched by workers, waiting for their time."""
    with _reader(context, data_dir) as read:
        found = read()
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(queue) for queue in found])


@application.command("watch")
def watch_queues(
    context: typer.Context,
    *,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.2, help="Seconds between two looks.")
    ] = 1.0,
) -> None:
    """Show the queues live, until Ctrl-C."""
    from rich.live import Live

    console = output.console()
    with _reader(context, data_dir) as read, Live(console=console, screen=False) as live:
        while True:
            live.update(output.grid(COLUMNS, [_row(queue) for queue in read()]))
            time.sleep(interval_s)


@contextmanager
def _reader(context: typer.Context, folder: Path) -> Iterator[Callable[[], Found]]:
    """What reads the queues: of our platform by its API, of another application from the file of
    the `celeriac up` that runs it."""
    up = running.find(context, folder)
    if up is not None and up.api_url is None:
        yield lambda: _of_pools(running.find(context, folder))
        return
    with client.connected(context, folder=folder) as api:
        yield lambda: api.get("/queues")["items"]


def _of_pools(up: "UpStatus | None") -> Found:
    pools = up.pools if up is not None else {}
    return [
        {
            "name": queue.name,
            "ready": queue.ready,
            "unacked": queue.unacked,
            "scheduled": queue.scheduled,
            "oldest_age_seconds": queue.oldest_age_s,
            "purpose": f"pool {name}",
        }
        for name in sorted(pools)
        for queue in pools[name].queues
    ]


def _row(queue: Mapping[str, Json]) -> tuple[object, ...]:
    age_s = queue["oldest_age_seconds"]
    return (
        queue["name"],
        _count(queue["ready"]),
        _count(queue["unacked"]),
        _count(queue["scheduled"]),
        "" if age_s is None else f"{age_s:.0f} s",
        queue["purpose"],
    )


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)
