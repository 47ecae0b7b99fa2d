"""Starts all parts of the platform on one machine, waits, and stops them in order."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

from app.broker.connections import address as addresses
from app.broker.connections.connection import Connection
from app.local import console as consoles
from app.local import servers, state_files
from app.local.console import RunAddresses, RunConsole, Terminal
from app.local.data_dir import DataDir
from app.local.options import UpOptions
from app.local.plan import run_plan
from app.local.plan.run_plan import ApiAddress, EmbeddedBroker, RunPlan
from app.local.processes.celery_processes import CeleryProcesses, ProcessOutputs
from app.local.processes.child_process import Process
from app.local.processes.supervision import SupervisedProcess
from app.local.processes.zygote_client import Application, CeleryCommand
from app.local.supervisor import Supervisor
from app.telemetry import masking

SERVICE_GRACE_S = 6.0
BROKER_GRACE_S = 10.0
CODE_POLL_S = 1.0

_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})

CodeSnapshot = Mapping[str, int]
"""Modification times in nanoseconds, by path."""


def run(options: UpOptions) -> int:
    """Run the platform until SIGINT or SIGTERM; returns the exit code.

    Raises:
        CeleriacError: it cannot start. The message is for the user.
    """
    console = RunConsole(
        Terminal(highlight=False), now=lambda: time.strftime("%H:%M:%S"), clock=time.monotonic
    )
    data_dir = DataDir(path=options.data_dir.absolute())
    with (
        data_dir.locked() as lock_fd,
        consoles.log_to_file(data_dir.log("celeriac"), console, level=options.log_level),
    ):
        planned = run_plan.build_plan(options, data_dir=data_dir, environ=os.environ)
        return asyncio.run(LocalPlatform(options, planned, console, lock_fd=lock_fd).run())


class LocalPlatform:
    """One run. Needs the event loop of the main thread, for signals and child processes."""

    def __init__(
        self, options: UpOptions, planned: RunPlan, console: RunConsole, *, lock_fd: int
    ) -> None:
        self._options = options
        self._plan = planned
        self._console = console
        self._lock_fd = lock_fd
        self._outputs = ProcessOutputs(planned.data_dir, console)
        self._stop = asyncio.Event()
        self._skip = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._services: list[SupervisedProcess] = []
        self._broker: SupervisedProcess | None = None
        self._celery: CeleryProcesses | None = None
        self._supervisor: Supervisor | None = None

    async def run(self) -> int:
        """Start everything, wait for a signal, stop everything.

        Raises:
            CeleriacError: it cannot start.
        """
        self._catch_signals()
        starting = asyncio.create_task(self._start(), name="start")
        stopped = asyncio.create_task(self._stopped(), name="stop")
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                # Tasks only end by themselves when they fail.
                await asyncio.wait({stopped, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            failed = [task for task in self._tasks if task.done()]
        finally:
            starting.cancel()
            stopped.cancel()
            await self._end()
        for task in failed:
            task.result()
        return 0

    async def _start(self) -> None:
        if self._plan.has_workers:
            self._celery = CeleryProcesses(
                self._options.celery_app,
                python=str(self._plan.python),
                modules=self._plan.modules,
                environment=self._plan.environment,
                outputs=self._outputs,
            )
        if self._plan.embedded is not None:
            await self._start_broker(self._plan.embedded)
        else:
            await self._find_broker()
        if self._plan.api is not None:
            await self._start_api(self._plan.api)
        api_url = self._plan.api.url if self._plan.api is not None else None
        state_files.write_status(
            self._plan.data_dir.status, state_files.status_of(api_url, self._plan.environment)
        )
        if self._celery is not None:
            await self._start_workers(self._celery)
        else:
            self._console.banner(self._addresses(), ())
        if self._plan.watched:
            self._spawn(watch_code(self._plan.watched, self._renew), name="code watch")

    async def _start_broker(self, embedded: EmbeddedBroker) -> None:
        async def start() -> Process:
            return servers.start_broker(
                self._plan, embedded, outputs=self._outputs, lock_fd=self._lock_fd
            )

        self._broker = self._service(servers.BROKER_LOG, start)
        connection = Connection(addresses.parse_address(embedded.url))
        try:
            await self._ready(self._broker, connection.answers)
        finally:
            await connection.close()

    async def _find_broker(self) -> None:
        """Wait for the broker that the user has named, without a limit.

        Raises:
            BrokerRefused: it refuses our credentials.
        """
        connection = Connection(self._plan.broker)
        try:
            problem = await servers.broker_problem(connection)
            if problem is not None:
                self._console.problem("broker", f"{problem}; retrying")
                await servers.wait_for_broker(connection)
        finally:
            await connection.close()

    async def _start_api(self, api: ApiAddress) -> None:
        # Imported here: other applications do not have our tables.
        from app.storage import migrate

        async def start() -> Process:
            return servers.start_api(
                self._plan, api, outputs=self._outputs, log_level=self._options.log_level
            )

        service = self._service(servers.API_LOG, start)
        self._services.append(service)
        # While the API imports its modules. Its address is not shown before the banner.
        await asyncio.to_thread(migrate.upgrade, self._plan.environment["DATABASE_URL"])
        await self._ready(service, lambda: servers.listens(api))

    async def _start_workers(self, celery: CeleryProcesses) -> None:
        application = await celery.application()
        if self._plan.api is not None:
            arguments = [
                *("beat", "--loglevel", self._options.log_level, "--pidfile", ""),
                *("--schedule", str(self._plan.data_dir.schedule)),
            ]
            command = CeleryCommand(arguments=arguments, title="celeriac: beat")
            beat = self._service("beat", lambda: celery.start(command, log="beat"))
            self._services.append(beat)
        pools = self._plan.pools
        if pools is None:
            pools = run_plan.application_pools(self._options, application.queues)
        self._supervisor = Supervisor(
            self._plan, pools, celery, self._console, log_level=self._options.log_level
        )
        self._spawn(self._supervisor.run(), name="supervisor")
        self._console.banner(self._addresses(), pools, application_pool=application.pool)
        self._tell_of_pools(application)

    def _tell_of_pools(self, application: Application) -> None:
        for note in self._plan.notes:
            self._console.line("pools", note)
        if self._plan.pools is None and application.fanout_queues:
            names = ", ".join(application.fanout_queues)
            self._console.line("pools", f"no pool consumes {names}: every worker has its own copy")

    async def _renew(self) -> None:
        """Restart everything with the changed code."""
        self._console.line("reload", "the code has changed: restarting, running tasks finish first")
        if self._celery is not None:
            await self._celery.renew()
        for service in self._services:
            service.renew()
        if self._supervisor is not None:
            self._supervisor.workers.renew()

    async def _end(self) -> None:
        """Stop everything in order: the broker last, since workers need it to finish."""
        self._outputs.is_quiet = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(service.stop(grace_s=SERVICE_GRACE_S, skip=self._skip) for service in self._services),
            self._end_workers(),
        )
        if self._celery is not None:
            await self._celery.close()
        if self._broker is not None:
            await self._broker.stop(grace_s=BROKER_GRACE_S, skip=asyncio.Event())
        self._outputs.close()

    async def _end_workers(self) -> None:
        if self._supervisor is None:
            return
        grace_s = self._options.stop_grace_s
        await self._supervisor.workers.stop(grace_s=grace_s, skip=self._skip)
        await self._supervisor.close()

    def _service(self, name: str, start: Callable[[], Awaitable[Process]]) -> SupervisedProcess:
        service = SupervisedProcess(name, start, console=self._console, clock=time.monotonic)
        service.open()
        return service

    async def _ready(
        self, service: SupervisedProcess, is_ready: Callable[[], Awaitable[bool]]
    ) -> None:
        await servers.wait_for(
            service.name,
            is_ready,
            outputs=self._outputs,
            log=self._plan.data_dir.log(service.name),
            has_died=lambda: service.failures > 0,
        )

    def _spawn(self, work: Coroutine[None, None, None], *, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _addresses(self) -> RunAddresses:
        plan = self._plan
        return RunAddresses(
            api=plan.api.url if plan.api is not None else None,
            broker=str(plan.broker),
            database=masking.masked(plan.environment["DATABASE_URL"]) if plan.api else None,
            data_dir=plan.data_dir.path,
        )

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            loop.add_signal_handler(signal.SIGHUP, self._on_signal)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._skip.set()
            return
        self._stop.set()
        self._console.line("celeriac", "stopping; a second Ctrl-C stops at once")

    async def _stopped(self) -> None:
        await self._stop.wait()


def code_snapshot(folders: Sequence[Path]) -> CodeSnapshot:
    """Every Python file below the folders, except in hidden ones (`.venv`, `.git`)."""
    return {path: mtime for folder in folders for path, mtime in _python_files(folder)}


async def watch_code(folders: Sequence[Path], changed: Callable[[], Awaitable[None]]) -> None:
    """Call `changed` when files are written, added or removed, until cancelled."""
    before = await asyncio.to_thread(code_snapshot, folders)
    while True:
        await asyncio.sleep(CODE_POLL_S)
        now = await asyncio.to_thread(code_snapshot, folders)
        if now != before:
            before = now
            await changed()


def _python_files(folder: Path) -> Iterator[tuple[str, int]]:
    for parent, below, names in os.walk(folder):
        below[:] = [
            name for name in below if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        ]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(parent, name)
                try:
                    yield path, os.stat(path).st_mtime_ns
                except FileNotFoundError:  # removed since the listing
                    continue
