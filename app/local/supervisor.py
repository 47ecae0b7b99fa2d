"""The loop of `app.control` over the worker processes of this machine."""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from app.broker.connections.address import Address
from app.broker.connections.connection import Connection
from app.broker.link import Link
from app.broker.model import NodeName
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.broker.workers.revocations import Revocations
from app.control.loop import Loop
from app.control.pool.status import EventType, PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Broker, BrokerKey, Tick
from app.control.report import pool_snapshot
from app.control.report.pool_snapshot import PoolSnapshot
from app.errors import BrokerUnreachable
from app.local import state_files
from app.local.console import RunConsole
from app.local.plan import celery_pools
from app.local.plan.local_pools import LocalPool
from app.local.plan.run_plan import RunPlan
from app.local.processes.celery_processes import CeleryProcesses, LoggedProcess
from app.local.processes.child_process import Process
from app.local.processes.zygote_client import CeleryCommand
from app.local.state_files import UpStatus
from app.local.worker_replicas import WorkerReplicas
from app.scaling import steps

POST_S = 2.0
SAME_S = 5.0

SHOWN_AS_SIZES = frozenset({"ScaledUp", "ScaledDown", "DrainStarted"})
"""Events that `write_status` shows as a change of size."""


class LocalPools:
    """The `Pools` of the loop, fixed at the start."""

    def __init__(self, pools: Sequence[LocalPool]) -> None:
        self._pools = [local.pool for local in pools]

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        return self._pools


class LocalBrokers:
    """The `Brokers` of the loop: one server, with a link for each application on it. Close it."""

    def __init__(
        self,
        address: Address,
        *,
        revoked: Mapping[str, Mapping[str, float]],
        exchanges: Exchanges = CELERY_EXCHANGES,
        clock: Callable[[], float],
    ) -> None:
        """`revoked` are the ids of the previous run; `exchanges` are the default for pools whose
        manifest does not name exchanges."""
        self._address = address
        self._revoked = revoked
        self._exchanges = exchanges
        self._clock = clock
        self._links: dict[str, Link] = {}

    async def find(self, pool: WorkerPool) -> Broker:
        """The broker of this machine, regardless of the Secret that the pool's spec names."""
        link = self._link(pool)
        key = BrokerKey(f"{self._address} {self._name(pool)}".strip())
        return Broker(key=key, queues=link.queues, workers=link.workers, survey=link.survey)

    def revocations(self, pool: WorkerPool) -> Revocations:
        """The revocations of the application of this pool."""
        return self._link(pool).revocations

    def revoked(self) -> Mapping[str, Mapping[str, float]]:
        """Revoked ids with their times, by application."""
        found = {name: link.revocations.by_time() for name, link in self._links.items()}
        return {**self._revoked, **found}

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()

    def _link(self, pool: WorkerPool) -> Link:
        name = self._name(pool)
        if name not in self._links:
            link = Link(
                self._address,
                key_prefix=pool.spec.broker.key_prefix,
                exchanges=self._exchanges_of(pool),
                clock=self._clock,
                has_revocations=True,
            )
            link.revocations.restore(self._revoked.get(name, {}))
            link.open()
            self._links[name] = link
        return self._links[name]

    def _name(self, pool: WorkerPool) -> str:
        """A name for the pool's application on this server, empty for most."""
        exchanges = self._exchanges_of(pool)
        named = "" if exchanges == CELERY_EXCHANGES else f"{exchanges.events} {exchanges.control}"
        return f"{pool.spec.broker.key_prefix} {named}".strip()

    def _exchanges_of(self, pool: WorkerPool) -> Exchanges:
        named = pool.spec.broker.exchanges
        return named if named != CELERY_EXCHANGES else self._exchanges


class LocalReports:
    """The `Reports` of the loop."""

    def __init__(
        self,
        console: RunConsole,
        connection: Connection,
        *,
        save: Callable[[Mapping[str, PoolStatus]], None],
        clock: Callable[[], float],
    ) -> None:
        """`save` stores the status of the pools for the commands on this machine."""
        self._console = console
        self._connection = connection
        self._save = save
        self._clock = clock
        self._sizes: dict[PoolKey, int] = {}
        self._statuses: Mapping[PoolKey, PoolStatus] = {}
        self._said = ("", 0.0)

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        """Show a change of size with its reason."""
        was = self._sizes.get(pool.key, 0)
        if status.replicas is None or status.replicas == was:
            return
        self._sizes[pool.key] = status.replicas
        why = steps.paragraph(status.explanation)
        self._console.line(pool.key.name, f"{was} -> {status.replicas}  {why}")

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        """Show an event that is not a change of size."""
        if event.reason in SHOWN_AS_SIZES:
            return
        # An event that all pools have, such as an outage of the broker, is shown once.
        last, at_s = self._said
        self._said = (event.message, event.at_s)
        if event.message == last and event.at_s - at_s < SAME_S:
            return
        show = self._console.problem if event.type is EventType.WARNING else self._console.line
        show(pool.key.name, event.message)

    def record_tick(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Keep the statuses for the next post."""
        del tick
        self._statuses = statuses

    async def post(self) -> None:
        """Post the statuses to the broker until cancelled."""
        posted: Mapping[str, PoolStatus] | None = None
        while True:
            pools = {key.name: status for key, status in self._statuses.items()}
            self._save(pools)
            try:
                await self._post(pools, is_news=pools != posted)
                posted = pools
            except BrokerUnreachable:
                posted = None  # the loop reports the outage for each pool, and the key expires
            await asyncio.sleep(POST_S)

    async def _post(self, pools: Mapping[str, PoolStatus], *, is_news: bool) -> None:
        """Unchanged statuses only get a new expiry, since each write grows the append-only file."""
        async with self._connection.asking() as client:
            is_there = await client.expire(pool_snapshot.KEY, pool_snapshot.LIFETIME_S)
            if is_news or not is_there:
                text = pool_snapshot.dump_snapshot(
                    PoolSnapshot(posted_at_s=self._clock(), pools=pools)
                )
                await client.set(pool_snapshot.KEY, text, ex=pool_snapshot.LIFETIME_S)


class Supervisor:
    """Scales the pools, and runs their workers."""

    def __init__(
        self,
        plan: RunPlan,
        pools: Sequence[LocalPool],
        celery: CeleryProcesses,
        console: RunConsole,
        *,
        log_level: str,
    ) -> None:
        self._celery = celery
        self._log_level = log_level
        self._connection = Connection(plan.broker)
        self._data_dir = plan.data_dir
        self._brokers = LocalBrokers(
            plan.broker,
            revoked=state_files.read_revoked(plan.data_dir.revoked),
            exchanges=plan.exchanges,
            clock=time.time,
        )
        self._saved: UpStatus | None = None
        self._cleaning: set[asyncio.Task[None]] = set()
        self._api_url = plan.api.url if plan.api is not None else None
        self._environment = plan.environment
        self._reports = LocalReports(
            console, self._connection, save=self._save_status, clock=time.time
        )
        self.workers = WorkerReplicas(
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
            replicas=self.workers,
            reporter=self._reports,
            clock=time.time,
        )

    async def run(self) -> None:
        """Reconcile the pools until cancelled. The workers keep running."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop.run(), name="pools")
            group.create_task(self._reports.post(), name="board")
            keeping = state_files.keep_revoked(self._data_dir.revoked, self._brokers.revoked)
            group.create_task(keeping, name="revoked tasks")

    async def close(self) -> None:
        """Close the connections to the broker."""
        await self._brokers.close()
        await self._connection.close()

    def _save_status(self, pools: Mapping[str, PoolStatus]) -> None:
        status = state_files.status_of(self._api_url, self._environment, pools)
        if status != self._saved:
            state_files.write_status(self._data_dir.status, status)
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
        """Give a worker the ids that were revoked before its start."""
        revocations, path = self._brokers.revocations(pool.pool), self._data_dir.worker_state(name)
        task_ids = revocations.current()
        if not task_ids or not state_files.is_worker_state_path(path):
            return ()  # it gets the ids after its first heartbeat
        state_files.write_worker_state(path, task_ids)
        revocations.note_informed(node)
        return ("--statedb", str(path))

    async def _clean(self, process: Process, name: str) -> None:
        await process.wait()
        state_files.remove_worker_state(self._data_dir.worker_state(name))
