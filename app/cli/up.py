"""`celeriac up`: run the whole platform on this machine."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import option_values, roles, running
from app.errors import CeleriacError

DataDirOption = Annotated[
    Path,
    typer.Option(
        file_okay=False,
        envvar="CELERIAC_DATA_DIR",
        help="Folder for the data of broker and database, files and logs.",
    ),
]
ApiOnlyOption = Annotated[
    bool, typer.Option("--api-only", help="Start only broker, database and API.")
]
ReloadOption = Annotated[
    bool,
    typer.Option("--reload", help="Restart when the code changes. Running tasks finish first."),
]
AppOption = Annotated[
    str, typer.Option("--app", "-A", help="Celery application, as for `celery -A`.")
]
PythonOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        envvar="CELERIAC_PYTHON",
        help="Virtual environment or interpreter of the application. Default: that of celeriac.",
    ),
]
PoolsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--pools",
        exists=True,
        help="WorkerPool manifests. Repeatable. Default: a pool for each queue of the application.",
    ),
]
CooldownOption = Annotated[
    float | None,
    typer.Option(
        "--cooldown",
        min=0,
        help="Seconds before an idle pool is scaled to zero. Default: 30, or that of its manifest.",
    ),
]
MaxWorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of worker processes over all pools.")
]
EventExchangeOption = Annotated[
    str,
    typer.Option(
        callback=option_values.check_exchange,
        help="`event_exchange` of the application, if its manifests do not set it.",
    ),
]
ControlExchangeOption = Annotated[
    str,
    typer.Option(
        callback=option_values.check_exchange,
        help="`control_exchange` of the application, if its manifests do not set it.",
    ),
]
GraceOption = Annotated[
    float,
    typer.Option("--grace", min=0, help="Seconds that running tasks have to finish after Ctrl-C."),
]


def up(
    *,
    data_dir: DataDirOption = Path(".celeriac"),
    host: roles.HostOption = "127.0.0.1",
    port: roles.PortOption = 8000,
    insecure: roles.InsecureOption = False,
    api_only: ApiOnlyOption = False,
    reload: ReloadOption = False,
    app: AppOption = roles.CELERY_APP,
    python: PythonOption = None,
    pools: PoolsOption = None,
    cooldown_s: CooldownOption = None,
    max_workers: MaxWorkersOption = None,
    grace_s: GraceOption = 10.0,
    event_exchange: EventExchangeOption = "celeryev",
    control_exchange: ControlExchangeOption = "celery",
    log_level: roles.LogLevelOption = "info",
) -> None:
    """Run the whole platform: broker, database, API, scheduler and autoscaled worker pools."""
    if insecure:
        os.environ[roles.INSECURE] = "true"  # for the API, which runs in its own process
    from app.local import local_platform  # imports the whole platform
    from app.local.options import UpOptions

    options = UpOptions(
        data_dir=data_dir,
        host=host,
        port=port,
        is_api_only=api_only,
        is_reloading=reload,
        celery_app=app,
        python=python or Path(sys.executable),
        pool_files=tuple(pools or ()),
        cooldown_s=cooldown_s,
        max_workers=max_workers,
        stop_grace_s=grace_s,
        event_exchange=event_exchange,
        control_exchange=control_exchange,
        log_level=log_level,
    )
    raise typer.Exit(local_platform.run(options))


def env(context: typer.Context, *, data_dir: DataDirOption = Path(".celeriac")) -> None:
    """Print the environment of other tools for the `celeriac up` that runs here: in a shell,
    `eval "$(celeriac env)"`."""
    found = running.find(context, data_dir)
    if found is None:
        raise CeleriacError(
            f"no 'celeriac up' runs in {data_dir}: start one, or name its folder with --data-dir"
        )
    variables = {
        "CELERY_BROKER_URL": found.broker_url,
        "CELERIAC_URL": found.api_url or "",
        "CELERIAC_MESSAGE_KEYS": found.message_keys,
    }
    for name, value in variables.items():
        if value:
            typer.echo(f"export {name}={shlex.quote(value)}")
