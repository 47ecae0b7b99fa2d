"""The servers of the platform other than Celery processes: broker and API."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.broker.connections.connection import Connection
from app.errors import BrokerRefused, BrokerUnreachable, CeleriacError
from app.local import valkey
from app.local.plan import run_plan
from app.local.plan.run_plan import ApiAddress, EmbeddedBroker, RunPlan
from app.local.processes.celery_processes import ProcessOutputs
from app.local.processes.child_process import ChildProcess

BROKER_LOG = "broker"
API_LOG = "api"

READY_WITHIN_S = 60.0
"""Long, for a large append-only file, or imports from a cold disk."""
API_SHUTDOWN_S = 4
"""How long open requests may continue. Then event streams are closed; clients resume them."""

RETRY_S = 1.0
"""Pause between attempts to reach a broker."""

_POLL_S = 0.05
_END_LINES = 5


def start_broker(
    plan: RunPlan, embedded: EmbeddedBroker, *, outputs: ProcessOutputs, lock_fd: int
) -> ChildProcess:
    """Start the embedded broker. It holds the lock of the data folder until it has ended."""
    folder = plan.data_dir.broker
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "valkey.conf"
    path.touch(mode=0o600)
    path.write_text(valkey.configuration(folder, port=embedded.port, password=embedded.password))
    pipe = outputs.open(BROKER_LOG)
    try:
        return ChildProcess(
            [str(embedded.program), str(path)],
            environment=plan.environment,
            output_fd=pipe.write_fd,
            kept_fds=(lock_fd,),
        )
    finally:
        pipe.close_write_end()


def start_api(
    plan: RunPlan, api: ApiAddress, *, outputs: ProcessOutputs, log_level: str
) -> ChildProcess:
    """Start the API."""
    pipe = outputs.open(API_LOG)
    try:
        return ChildProcess(
            [
                # Our folder comes before the working directory, which may contain the modules of
                # CELERIAC_PIPELINES, but also another package `app`.
                *(sys.executable, "-m", "uvicorn", "app.main:app"),
                *("--app-dir", str(run_plan.ROOT)),
                *("--host", api.host, "--port", str(api.port)),
                *("--log-level", log_level),
                *("--timeout-graceful-shutdown", str(API_SHUTDOWN_S)),
                *("--http", "app.api.timed_protocol:TimedProtocol"),
            ],
            environment=plan.environment,
            output_fd=pipe.write_fd,
        )
    finally:
        pipe.close_write_end()


async def wait_for(
    name: str,
    is_ready: Callable[[], Awaitable[bool]],
    *,
    outputs: ProcessOutputs,
    log: Path,
    has_died: Callable[[], bool],
) -> None:
    """Wait until the server is ready.

    Raises:
        CeleriacError: it died, or took too long; the message contains the end of its log.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + READY_WITHIN_S
    while not await is_ready():
        if has_died() or loop.time() > deadline_s:
            said = outputs.last_lines(name, count=_END_LINES)
            raise CeleriacError(f"the {name} does not start; the end of {log}:\n{said}")
        await asyncio.sleep(_POLL_S)


async def broker_problem(connection: Connection) -> str | None:
    """Why the broker cannot be used now; `None` if it answers.

    Raises:
        BrokerRefused: it refuses our credentials.
    """
    try:
        async with connection.asking() as client:
            await client.ping()
    except BrokerRefused:
        raise
    except BrokerUnreachable as exc:
        return str(exc)
    return None


async def wait_for_broker(connection: Connection) -> None:
    """Wait until the broker answers.

    Raises:
        BrokerRefused: it refuses our credentials.
    """
    while await broker_problem(connection) is not None:  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(RETRY_S)


async def listens(api: ApiAddress) -> bool:
    """Whether the API accepts connections."""
    try:
        _, writer = await asyncio.open_connection(api.loopback, api.port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
