"""`celeriac db`: the tables."""

import typer

application = typer.Typer(help="Care for the database.", no_args_is_help=True)


@application.callback()
def _group() -> None:
    """Care for the database."""


@application.command("upgrade")
def upgrade() -> None:
    """Bring the tables of DATABASE_URL to this version. Safe to run twice, and at once."""
    from app.settings import DatabaseSettings  # client commands do without both
    from app.storage import migrate

    revision = migrate.upgrade(DatabaseSettings().url.get_secret_value())
    typer.echo(f"the database is at revision {revision}")
