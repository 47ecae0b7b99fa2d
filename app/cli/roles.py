"""`celeriac api`, `celeriac worker` and `celeriac beat`: roles of the platform, in this process."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, NoReturn

import typer

from app.errors import InvalidInput
from app.queues import PoolKind, Queue
from app.telemetry.logs import LogFormat

CELERY_APP = "app.celery_app"
ASGI_APP = "app.main:app"
HTTP_PROTOCOL = "app.api.timed_protocol:TimedProtocol"

SHUTDOWN_S = 5
"""How long open requests may continue after SIGTERM. Event streams are then closed, and clients
resume them on another server."""

HostOption = Annotated[str, typer.Option(envvar="CELERIAC_HOST", help="Address to listen on.")]
PortOption = Annotated[
    int, typer.Option(envvar="CELERIAC_PORT", min=0, max=65535, help="Port to listen on.")
]
INSECURE = "CELERIAC_INSECURE"

InsecureOption = Annotated[
    bool,
    typer.Option(
        envvar=INSECURE, help="Require no API key, because something else protects the API."
    ),
]
LogLevelOption = Annotated[str, typer.Option(help="Log level: debug, info, warning or error.")]
LogFormatOption = Annotated[LogFormat | None, typer.Option(help="Log format: json or text.")]


def api(
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    insecure: InsecureOption = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes that share the port.")
    ] = 1,
    reload: Annotated[bool, typer.Option(help="Restart when the code changes.")] = False,
    log_level: LogLevelOption = "info",
) -> None:
    """Serve the HTTP API."""
    if insecure:
        os.environ[INSECURE] = "true"  # read by the application, which may be in other processes
    import uvicorn  # only this role needs it

    if workers > 1:  # uvicorn restarts failing processes without end
        uvicorn.importer.import_from_string(ASGI_APP)
    uvicorn.run(
        ASGI_APP,
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        log_level=log_level,
        timeout_graceful_shutdown=SHUTDOWN_S,
        http=HTTP_PROTOCOL,
    )


def worker(
    context: typer.Context,
    *,
    queue: Annotated[
        list[str] | None,
        typer.Option(
            "--queue", "-q", help="Queue to serve. Repeatable. Default: all declared queues."
        ),
    ] = None,
    pool: Annotated[
        PoolKind | None, typer.Option(help="Pool class. Default: that of the queue.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Number of slots. Default: that of the queue.")
    ] = None,
    log_level: LogLevelOption = "info",
) -> None:
    """Run a worker for queues. Further arguments are passed to `celery worker`."""
    known = known_queues()
    served = [find_queue(name, known) for name in queue or known]
    arguments = worker_arguments(served, pool=pool, concurrency=concurrency)
    _become_celery(["worker", *arguments, "--loglevel", log_level, *context.args])


def beat(context: typer.Context, *, log_level: LogLevelOption = "info") -> None:
    """Run the scheduler. Several instances may run at once. Further arguments are passed to `celery
    beat`."""
    _become_celery(["beat", "--loglevel", log_level, *context.args])


PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of commands that pass further arguments to Celery."""


def known_queues() -> Mapping[str, Queue]:
    """The declared queues and those of `CELERIAC_PIPELINES`. Raises RegistryError."""
    from app.pipelines import registry  # imports pydantic, which other commands do not need
    from app.settings import PipelineSettings

    return registry.queues_with(PipelineSettings().modules)


def find_queue(name: str, known: Mapping[str, Queue]) -> Queue:
    """The queue of this name. Raises InvalidInput."""
    found = known.get(name)
    if found is None:
        raise InvalidInput(f"no queue {name!r}; known queues: {', '.join(known)}")
    return found


def worker_arguments(
    served: Sequence[Queue], *, pool: PoolKind | None = None, concurrency: int | None = None
) -> list[str]:
    """Arguments of `celery worker` for these queues.

    Processes suit every kind of work, threads only tasks that wait for the network. A worker of
    several queues therefore uses processes if one of them does, and the largest concurrency.
    """
    is_cpu_bound = any(queue.pool is PoolKind.PREFORK for queue in served)
    kind = pool or (PoolKind.PREFORK if is_cpu_bound else PoolKind.THREADS)
    slots = concurrency or max(queue.concurrency for queue in served)
    names = [queue.name for queue in served]
    node = names[0] if len(names) == 1 else "worker"
    return [
        *("--queues", ",".join(names)),
        *("--pool", kind.value),
        *("--concurrency", str(slots)),
        *("--hostname", f"{node}-{os.getpid()}@%h"),
    ]


def _become_celery(arguments: Sequence[str]) -> NoReturn:
    """Replace this process, so that signals reach Celery directly."""
    command = celery_command(arguments, log_format=os.environ.get("CELERIAC_LOG_FORMAT"))
    os.execv(sys.executable, command)


def celery_command(arguments: Sequence[str], *, log_format: str | None) -> list[str]:
    """Celery's command line, without the banner if the log is JSON."""
    quiet = ["--quiet"] if log_format == "json" else []
    return [sys.executable, "-m", "celery", "-A", CELERY_APP, *quiet, *arguments]
