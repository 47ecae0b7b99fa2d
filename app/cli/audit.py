"""`celeriac audit`: who did what."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from app.cli import client, output
from app.cli.output import Format, FormatOption

COLUMNS = ("AT", "ACTOR", "ACTION", "SUBJECT", "COUNT", "DETAIL", "OUTCOME", "FROM")

application = typer.Typer(help="See who did what through the API.", no_args_is_help=True)

Actor = Annotated[str, typer.Option(help="Only acts of this owner.")]
Action = Annotated[str, typer.Option(help="Only this action, or with a dot its group: 'job.'.")]
Subject = Annotated[str, typer.Option(help="Only acts on this id.")]
Since = Annotated[str, typer.Option(metavar="TIME", help="Only acts at this time or later.")]
Before = Annotated[str, typer.Option(metavar="TIME", help="Only acts before this time.")]


@application.command("list")
def list_audit(
    context: typer.Context,
    *,
    actor: Actor = "",
    action: Action = "",
    subject: Subject = "",
    since: Since = "",
    before: Before = "",
    limit: Annotated[int, typer.Option(min=1, help="How many lines.")] = 50,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List who did what, newest first."""
    asked = _query(actor=actor, action=action, subject=subject, since=since, before=before)
    with client.connected(context) as api:
        found = list(api.pages("/audit", params=asked, limit=limit))
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(line) for line in found])


@application.command("export")
def export_audit(
    context: typer.Context,
    *,
    actor: Actor = "",
    action: Action = "",
    subject: Subject = "",
    since: Since = "",
    before: Before = "",
) -> None:
    """Print all lines, newest first, as one JSON object on each line."""
    asked = _query(actor=actor, action=action, subject=subject, since=since, before=before)
    with client.connected(context) as api:
        for text in api.lines("/audit.jsonl", params=asked):
            typer.echo(text)


def _query(**given: str) -> dict[str, Any]:  # values of a query, which the client writes
    return {name: value for name, value in given.items() if value}


def _row(line: Mapping[str, Any]) -> tuple[object, ...]:  # a JSON object of the API
    return (
        output.moment(line["at"]),
        line["actor"] or "-",
        line["action"],
        line["subject"],
        line["count"],
        line["detail"],
        line["outcome"],
        line["address"],
    )
