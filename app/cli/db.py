"""`celeriac db`: the database schema."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from app.errors import StorageUnavailable

RETRY_PAUSE_S = 2.0

application = typer.Typer(help="Manage the database.", no_args_is_help=True)


@application.callback()
def _group() -> None:
    """Manage the database."""


@application.command("upgrade")
def upgrade(
    *,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Keep trying for this long while the database does not answer.",
        ),
    ] = 0.0,
) -> None:
    """Migrate the database of DATABASE_URL to this version. Safe to repeat and in parallel."""
    from app.settings import DatabaseSettings  # client commands need neither
    from app.storage import migrate

    url = DatabaseSettings().url.get_secret_value()
    revision = retried(lambda: migrate.upgrade(url), give_up_after_s=wait)
    typer.echo(f"the database is at revision {revision}")


def retried(
    run: Callable[[], str],
    *,
    give_up_after_s: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """The result of `run`, repeated until the storage answers. Raises StorageUnavailable after that
    time."""
    give_up_at = clock() + give_up_after_s
    while True:
        try:
            return run()
        except StorageUnavailable as error:
            if clock() >= give_up_at:
                raise
            typer.echo(f"{error}; retrying", err=True)
            pause(RETRY_PAUSE_S)
