"""`celeriac keys`: API keys."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from app.access.principal import AccessScope
from app.cli import client, output
from app.cli.output import Format, FormatOption

Json = Any  # a JSON value: the type system has no better word for it

COLUMNS = ("KEY", "NAME", "OWNER", "SCOPE", "STATE", "EXPIRES", "LAST USED")

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}

application = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


def lifetime_s(text: str) -> int:
    """Seconds of a duration such as `90d`, `12h` or `30m`.

    >>> lifetime_s("90d")
    7776000
    """
    found = re.fullmatch(r"([1-9]\d{0,5})([mhd])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a duration such as 90d, 12h or 30m")
    return int(found[1]) * _UNITS_S[found[2]]


@application.command("create")
def create_key(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    owner: Annotated[
        str, typer.Option(help="The owner of what is created with the key. Default: the name.")
    ] = "",
    scope: Annotated[
        AccessScope, typer.Option(help="Each scope includes those before it.")
    ] = AccessScope.SUBMIT,
    expires_in: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="For example 90d, 12h or 30m. Default: never."),
    ] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Create an API key and print it. It is shown only once."""
    body = {
        "name": name,
        "owner": owner,
        "scope": scope.value,
        "expires_in_s": None if expires_in is None else lifetime_s(expires_in),
    }
    with client.connected(context) as api:
        created = api.post("/keys", body=body)
    if output_format is Format.JSON:
        output.print_json(created)
        return
    typer.echo(created["key"])
    typer.echo(
        "Store it now: it is shown only once. Commands read it from CELERIAC_API_KEY.", err=True
    )


@application.command("list")
def list_keys(context: typer.Context, *, output_format: FormatOption = Format.TABLE) -> None:
    """List the API keys, newest first."""
    with client.connected(context) as api:
        found = api.get("/keys")["items"]
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(key) for key in found])


@application.command("revoke")
def revoke_key(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The id of the key, as 'keys list' shows it.")],
) -> None:
    """Revoke an API key. Requests that use it are refused from now on."""
    with client.connected(context) as api:
        revoked = api.post(f"/keys/{key}:revoke")
    output.print_line(f"revoked {revoked['id']} ({revoked['name']})")


def _row(key: Mapping[str, Json]) -> tuple[object, ...]:
    return (
        key["id"],
        key["name"],
        key["owner"],
        key["scope"],
        key["state"],
        key["expires_at"] or "never",
        key["last_used_at"] or "never",
    )
