"""`celeriac schedules`: jobs that begin by themselves."""

from collections.abc import Mapping
from typing import Any

import typer

from app.cli import client, output, pairs
from app.cli.output import Format, FormatOption

Json = Any  # a JSON value: the type system has no better word for it

COLUMNS = ("SCHEDULE", "KIND", "CRON", "ZONE", "NEXT", "LAST JOB", "STATE", "PARAMS")

application = typer.Typer(help="See which jobs begin by themselves.", no_args_is_help=True)


@application.command("list")
def list_schedules(context: typer.Context, *, output_format: FormatOption = Format.TABLE) -> None:
    """List the schedules: when each begins its next job, and what became of the last one."""
    with client.connected(context) as api:
        found = api.get("/schedules")["items"]
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(schedule) for schedule in found])


def _row(schedule: Mapping[str, Json]) -> tuple[object, ...]:
    last = schedule["last_job"] or {"id": "", "state": ""}
    return (
        schedule["name"],
        schedule["kind"],
        schedule["cron"],
        schedule["timezone"],
        schedule["next_at"] if schedule["is_on"] else "off",
        last["id"],
        last["state"],
        pairs.shown(schedule["params"]),
    )
