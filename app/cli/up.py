"""`celeriac up`: the whole platform on this machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import option_values, roles

DataDirOption = Annotated[
    Path,
    typer.Option(
        file_okay=False,
        envvar="CELERIAC_DATA_DIR",
        help="What outlives a run: broker, database, files, logs.",
    ),
]
ApiOnlyOption = Annotated[
    bool, typer.Option("--api-only", help="Broker, database and API; no scheduler and no pools.")
]
ReloadOption = Annotated[
    bool, typer.Option("--reload", help="Start again when code changes; running tasks finish.")
]
AppOption = Annotated[
    str, typer.Option("--app", "-A", help="What `celery -A` gets: any Celery application.")
]
PythonOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        envvar="CELERIAC_PYTHON",
        help="The application's virtual environment, or its interpreter; ours by default.",
    ),
]
PoolsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--pools",
        exists=True,
        help="WorkerPool manifests; by default each queue of the application has a pool.",
    ),
]
CooldownOption = Annotated[
    float | None,
    typer.Option(
        "--cooldown",
        min=0,
        help="Seconds before an idle pool goes to zero: 30 by default, or what its manifest says.",
    ),
]
MaxWorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Worker processes at once over all pools.")
]
EventExchangeOption = Annotated[
    str,
    typer.Option(
        callback=option_values.check_exchange,
        help="`event_exchange` of an application whose manifests do not name it.",
    ),
]
ControlExchangeOption = Annotated[
    str,
    typer.Option(
        callback=option_values.check_exchange,
        help="`control_exchange` of an application whose manifests do not name it.",
    ),
]
GraceOption = Annotated[
    float, typer.Option("--grace", min=0, help="Seconds that running tasks get after Ctrl-C.")
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
    """Start everything: broker, database, API, scheduler, and pools that size themselves."""
    if insecure:
        os.environ[roles.INSECURE] = "true"  # for the API, which is a process of its own
    from app.local import local_platform  # brings the whole platform with it
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
