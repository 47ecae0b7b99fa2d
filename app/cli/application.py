"""The root command with all command groups."""

import sys
from importlib import metadata
from typing import Annotated

import typer

from app.cli import (
    audit,
    db,
    doctor,
    jobs,
    keys,
    listings,
    output,
    owners,
    pools,
    queues,
    roles,
    standalone_roles,
    up,
)
from app.cli.foreign import serve_console, tasks, workers
from app.errors import CeleriacError

API_URL = "http://127.0.0.1:8000"

application = typer.Typer(
    name="celeriac",
    help="The worker platform for Celery: jobs, queues and autoscaled worker pools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, because rich takes a third of a second to import
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # as typer calls it
    if wanted:
        typer.echo(f"celeriac {metadata.version('celeriac')}")
        raise typer.Exit


@application.callback()
def _root(
    *,
    api_url: Annotated[str, typer.Option(envvar="CELERIAC_URL", help="URL of the API.")] = API_URL,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options of all commands, which read them from the root context."""
    del version  # handled by its callback


application.command("up")(up.up)
application.command("env")(up.env)
application.command("api")(roles.api)
application.command("worker", context_settings=roles.PASSED_ON)(roles.worker)
application.command("beat", context_settings=roles.PASSED_ON)(roles.beat)
application.command("operator")(standalone_roles.operator)
application.command("exporter")(standalone_roles.exporter)
application.command("console")(serve_console.console)
application.command("doctor")(doctor.doctor)
application.add_typer(jobs.application, name="jobs")
application.add_typer(queues.application, name="queues")
application.add_typer(workers.application, name="workers")
application.add_typer(tasks.application, name="tasks")
application.add_typer(pools.application, name="pools")
application.add_typer(listings.chunks, name="chunks")
application.add_typer(listings.schedules, name="schedules")
application.add_typer(keys.application, name="keys")
application.add_typer(owners.application, name="owners")
application.add_typer(audit.application, name="audit")
application.add_typer(db.application, name="db")


def main() -> None:
    """The console script. Our errors are printed as one line, without a traceback."""
    try:
        application()
    except CeleriacError as error:
        output.error(str(error))
        sys.exit(1)
