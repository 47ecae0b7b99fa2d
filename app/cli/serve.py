"""`celeriac api`, `worker` and `beat`: one role of the platform in this process."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from app import queues
from app.errors import CeleriacError, InvalidInput
from app.queues import PoolKind, Queue

CELERY_APP = "app.celery_app"
ASGI_APP = "app.main:app"

SHUTDOWN_S = 5
"""How long open requests may go on after SIGTERM; event streams are cut then and resumed by their
clients from another server."""

HostOption = Annotated[str, typer.Option(envvar="CELERIAC_HOST", help="Where to listen.")]
PortOption = Annotated[int, typer.Option(envvar="CELERIAC_PORT", min=0, max=65535)]
INSECURE = "CELERIAC_INSECURE"

InsecureOption = Annotated[
    bool,
    typer.Option(envvar=INSECURE, help="Answer other machines although no key guards the API."),
]
LogLevelOption = Annotated[str, typer.Option(help="debug, info, warning or error.")]


def api(
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    insecure: InsecureOption = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    reload: Annotated[bool, typer.Option(help="Start again when the code changes.")] = False,
    log_level: LogLevelOption = "info",
) -> None:
    """Serve the HTTP API."""
    refuse_exposure(host, insecure=insecure)
    if insecure:
        os.environ[INSECURE] = "true"  # read by the application, which may be in other processes
    import uvicorn  # only this role needs it

    if workers > 1:  # uvicorn starts those that fail again, without end
        uvicorn.importer.import_from_string(ASGI_APP)
    uvicorn.run(
        ASGI_APP,
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        log_level=log_level,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def worker(
    context: typer.Context,
    *,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", "-q", help="May be given several times.")
    ] = None,
    pool: Annotated[
        PoolKind | None, typer.Option(help="Instead of the queue's own kind of pool.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Instead of the queue's own number of slots.")
    ] = None,
    log_level: LogLevelOption = "info",
) -> None:
    """Run a worker for declared queues; further arguments go to `celery worker` as they are."""
    served = [declared(name) for name in queue or queues.BY_NAME]
    arguments = worker_arguments(served, pool=pool, concurrency=concurrency)
    _become_celery(["worker", *arguments, "--loglevel", log_level, *context.args])


def beat(context: typer.Context, *, log_level: LogLevelOption = "info") -> None:
    """Run the scheduler; two of them do no harm. Further arguments go to `celery beat`."""
    _become_celery(["beat", "--loglevel", log_level, *context.args])


PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""For commands whose further arguments are Celery's."""


def refuse_exposure(host: str, *, insecure: bool) -> None:
    """Raises CeleriacError unless only this machine can reach `host`, or the user insists."""
    from app.api import exposure  # brings Starlette, which other commands need not wait for

    if not (insecure or exposure.is_loopback(host)):
        raise CeleriacError(
            f"the API has no key, so it does not listen on {host!r}, where others could submit "
            "jobs; use --insecure if something else guards it"
        )


def declared(name: str) -> Queue:
    """The queue of this name. Raises InvalidInput."""
    found = queues.BY_NAME.get(name)
    if found is None:
        raise InvalidInput(f"no queue {name!r}; there are: {', '.join(queues.BY_NAME)}")
    return found


def worker_arguments(
    served: Sequence[Queue], *, pool: PoolKind | None = None, concurrency: int | None = None
) -> list[str]:
    """Arguments of `celery worker` for these queues.

    Processes serve all kinds of work, threads only what waits for the network: a worker of both
    takes processes, and as many slots as the widest of its queues has.
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
    """Replace this process, so that signals reach Celery and not a parent of it."""
    command = celery_command(arguments, log_format=os.environ.get("CELERIAC_LOG_FORMAT"))
    os.execv(sys.executable, command)


def celery_command(arguments: Sequence[str], *, log_format: str | None) -> list[str]:
    """Celery's command line; without its banner where each line is to be JSON."""
    quiet = ["--quiet"] if log_format == "json" else []
    return [sys.executable, "-m", "celery", "-A", CELERY_APP, *quiet, *arguments]
