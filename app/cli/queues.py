"""`celeriac queues`: what the queues hold."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, output
from app.cli.client import Api
from app.cli.output import Format, FormatOption

if TYPE_CHECKING:
    pass

Json = Any  # a JSON value: the type system has no better word for it

COLUMNS = ("QUEUE", "READY", "UNACKED", "SCHEDULED", "OLDEST", "PURPOSE")

application = typer.Typer(help="See what the queues hold.", no_args_is_help=True)


@application.command("list")
def list_queues(context: typer.Context, *, output_format: FormatOption = Format.TABLE) -> None:
    """List the queues: ready over all priorities, fetched by workers, waiting for their time."""
    with client.connected(context) as api:
        found = _read(api)
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(queue) for queue in found])


@application.command("watch")
def watch_queues(
    context: typer.Context,
    *,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.2, help="Seconds between two looks.")
    ] = 1.0,
) -> None:
    """Show the queues live, until Ctrl-C."""
    from rich.live import Live

    with client.connected(context) as api, Live(console=output.console(), screen=False) as live:
        while True:
            live.update(output.grid(COLUMNS, [_row(queue) for queue in _read(api)]))
            time.sleep(interval_s)


def _read(api: Api) -> Sequence[Mapping[str, Json]]:
    found: list[dict[str, Json]] = api.get("/queues")["items"]
    return found


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
