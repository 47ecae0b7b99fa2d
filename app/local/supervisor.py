"""The loop of `app.control` over the worker processes of this machine."""

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence

from app.broker.connections.connection import Connection
from app.broker.model import NodeName
from app.control.loop import Loop
from app.control.pool.status import PoolStatus
from app.control.pool.worker_pool import UnreadablePool, WorkerPool
from app.local import revocation_file, statedb, status_file
from app.local.brokers import LocalBrokers
from app.local.console import Console
from app.local.plan import celery_pools
from app.local.plan.local_pools import LocalPool
from app.local.plan.run_plan import Plan
from app.local.processes.celery_processes import CeleryProcesses, LoggedProcess
from app.local.processes.child_process import Process
from app.local.processes.zygote_client import CeleryCommand
from app.local.replicas import Fleet
from app.local.reports import LocalReports
from app.local.status_file import UpStatus


class LocalPools:
    """The `Pools` of the loop: settled at the start."""

    def __init__(self, pools: Sequence[LocalPool]) -> None:
        self._pools = [local.pool for local in pools]

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        return self._pools


class Supervisor:
    """Sizes the pools, and keeps their workers."""

    def __init__(
        self,
        plan: Plan,
        pools: Sequence[LocalPool],
        celery: CeleryProcesses,
        console: Console,
        *,
        log_level: str,
    ) -> None:
        self._celery = celery
        self._log_level = log_level
        self._connection = Connection(plan.broker)
        self._data_dir = plan.data_dir
        self._brokers = LocalBrokers(
            plan.broker,
            revoked=revocation_file.read(plan.data_dir.revoked),
            exchanges=plan.exchanges,
            clock=time.time,
        )
        self._saved: UpStatus | None = None
        self._cleaning: set[asyncio.Task[None]] = set()
        self._api_url = plan.api.url if plan.api is not None else None
        self._reports = LocalReports(
            console, self._connection, save=self._save_status, clock=time.time
        )
        self.fleet = Fleet(
            pools,
            start_worker=self._start_worker,
            host=socket.gethostname(),
            max_workers=plan.max_workers,
            clock=time.time,
            tell=console.problem,
        )
        self._loop = Loop(
            pools=LocalPools(pools),
            brokers=self._brokers,
            replicas=self.fleet,
            reports=self._reports,
            clock=time.time,
        )

    async def run(self) -> None:
        """Follow the queues until cancelled; the workers stay."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop.run(), name="pools")
            group.create_task(self._reports.post(), name="board")
            keeping = revocation_file.keep(self._data_dir.revoked, self._brokers.revoked)
            group.create_task(keeping, name="revoked tasks")

    async def close(self) -> None:
        """Close the connections to the broker."""
        await self._brokers.close()
        await self._connection.close()

    def _save_status(self, pools: Mapping[str, PoolStatus]) -> None:
        status = UpStatus(api_url=self._api_url, pools=pools)
        if status != self._saved:
            status_file.write(self._data_dir.status, status)
            self._saved = status

    async def _start_worker(self, pool: LocalPool, node: NodeName) -> LoggedProcess:
        name = node.partition("@")[0]
        application = await self._celery.application()
        start = celery_pools.build_start(pool.celery_pool, application_pool=application.pool)
        command = CeleryCommand(
            arguments=[
                *pool.worker_arguments(node, start=start, log_level=self._log_level),
                *self._state_arguments(pool, node, name=name),
            ],
            title=f"celeriac: worker {name}",
            environment=start.environment,
            is_forked=start.is_forked,
        )
        process = await self._celery.start(command, log=pool.name)
        cleaning = asyncio.create_task(self._clean(process, name), name=f"state of {name}")
        self._cleaning.add(cleaning)
        cleaning.add_done_callback(self._cleaning.discard)
        return process

    def _state_arguments(self, pool: LocalPool, node: NodeName, *, name: str) -> tuple[str, ...]:
        """Hand a worker what was revoked while it did not run."""
        revocations, path = self._brokers.revocations(pool.pool), self._data_dir.worker_state(name)
        task_ids = revocations.current()
        if not task_ids or not statedb.can_name(path):
            return ()  # what there is to know it is told once it is heard
        statedb.write(path, task_ids)
        revocations.note_informed(node)
        return ("--statedb", str(path))

    async def _clean(self, process: Process, name: str) -> None:
        await process.wait()
        statedb.remove(self._data_dir.worker_state(name))
