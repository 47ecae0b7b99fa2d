"""`celeriac owners`: how much owners have, their limits, and their end."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.cli import client, output
from app.cli.client import Json
from app.cli.output import Format, FormatOption

application = typer.Typer(
    help="List owners, limit what they may use, and erase their data.", no_args_is_help=True
)

OWNER_COLUMNS = ("OWNER", "JOBS", "UNFINISHED", "UPLOADS", "SOURCES", "NOTIFICATIONS", "BYTES")


@application.command("list")
def list_owners(context: typer.Context, *, output_format: FormatOption = Format.TABLE) -> None:
    """List the owners of jobs and data with how much each has."""
    with client.connected(context) as api:
        found = api.get("/owners")["items"]
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(OWNER_COLUMNS, [tuple(owner.values()) for owner in found])


@application.command("erase")
def erase_owner(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(help="The owner, as 'owners list' shows it.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase everything that an owner has: API keys, jobs with their files, uploads, chunks,
    notifications. Running jobs are cancelled first. It cannot be undone."""
    with client.connected(context) as api:
        found = next((one for one in api.get("/owners")["items"] if one["owner"] == owner), None)
        if found is not None and not yes:
            counted = (
                f"{found['jobs']} jobs, {found['uploads']} uploads, {found['sources']} sources"
            )
            typer.confirm(f"Erase {counted} and all keys of {owner!r}?", abort=True)
        job = api.post("/jobs/erase-owner", body={"params": {"owner": owner}})
    typer.echo(f"job {job['id']} erases it: celeriac jobs watch {job['id']}")


LIMIT_COLUMNS = ("LIMIT", "MOST", "USED", "LEFT", "RESETS IN")
NO_LIMIT = "none"


@application.command("limits")
def show_limits(
    context: typer.Context,
    owner: Annotated[
        str | None, typer.Argument(help="The owner. Default: the owner of your key.")
    ] = None,
    *,
    limit: Annotated[
        list[str],
        typer.Option(
            "--limit",
            metavar="NAME=NUMBER",
            help="Set a limit, such as unfinished-jobs=100; NAME=none removes it. Repeatable.",
        ),
    ] = [],  # noqa: B006  # Typer's way
    weight: Annotated[
        float | None, typer.Option(help="Set the share of each queue relative to other owners.")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Use the server's limits again.")] = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what an owner may use and has used, or change its limits."""
    changes = [*map(_parse_limit, limit), *([("weight", weight)] if weight is not None else [])]
    if (changes or reset) and owner is None:
        raise typer.BadParameter("name the owner whose limits to change", param_hint="OWNER")
    path = "/limits" if owner is None else f"/owners/{quote(owner, safe='')}/limits"
    with client.connected(context) as api:
        found = api.delete(path) if reset else api.get(path)
        if changes:
            found = api.put(path, body={**_present(found), **dict(changes)})
    if output_format is Format.JSON:
        output.print_json(found)
        return
    whose = "of the server" if found["is_default"] else "of its own"
    output.print_line(f"{found['owner'] or 'no owner'}: limits {whose}, weight {found['weight']:g}")
    output.print_table(LIMIT_COLUMNS, [_row(one) for one in found["limits"]])


def _parse_limit(text: str) -> tuple[str, int | None]:
    name, _, value = text.partition("=")
    if value == NO_LIMIT:
        return name.replace("-", "_"), None
    if not value.isdecimal():
        raise typer.BadParameter(f"{text!r} is not NAME=NUMBER or NAME={NO_LIMIT}")
    return name.replace("-", "_"), int(value)


def _present(found: Json) -> dict[str, Any]:  # a JSON object
    limits = {one["name"]: one["limit"] for one in found["limits"]}
    return {**limits, "weight": found["weight"]}


def _row(one: Json) -> tuple[str, ...]:
    most, used, resets_in_s = one["limit"], one["used"], one["resets_in_s"]
    return (
        one["name"].replace("_", "-"),
        "no limit" if most is None else f"{most:,}",
        f"{used:,}",
        "" if most is None else f"{max(0, most - used):,}",
        "" if resets_in_s is None else output.seconds(resets_in_s) or "",
    )
