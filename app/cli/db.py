"""`celeriac db`: the tables."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from app.errors import StorageUnavailable

PAUSE_S = 2.0

application = typer.Typer(help="Care for the database.", no_args_is_help=True)


@application.callback()
def _group() -> None:
    """Care for the database."""


@application.command("upgrade")
def upgrade(
    *,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Go on for so long while the database does not answer."
        ),
    ] = 0.0,
) -> None:
    """Bring the tables of DATABASE_URL to this version. Safe to run twice, and at once."""
    from app.settings import DatabaseSettings  # client commands do without both
    from app.storage import migrate

    url = DatabaseSettings().url.get_secret_value()
    revision = patiently(lambda: migrate.upgrade(url), patience_s=wait)
    typer.echo(f"the database is at revision {revision}")


def patiently(
    run: Callable[[], str],
    *,
    patience_s: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """What `run` returns, as soon as storage answers. Raises StorageUnavailable after that time."""
    give_up_at = clock() + patience_s
    while True:
        try:
            return run()
        except StorageUnavailable as away:
            if clock() >= give_up_at:
                raise
            typer.echo(f"{away}; trying again", err=True)
            pause(PAUSE_S)
