"""Tells of the pools of this machine: lines on the console, the board that the API reads, and the
file that the commands read."""

import asyncio
from collections.abc import Callable, Mapping

from app.broker.connections.connection import Connection
from app.control.pool.status import EventType, PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Tick
from app.control.report import pool_snapshot as board
from app.control.report.pool_snapshot import Board
from app.errors import BrokerUnreachable
from app.local.console import Console

POST_S = 2.0
SAME_S = 5.0

SHOWN_AS_SIZES = frozenset({"ScaledUp", "ScaledDown", "DrainStarted"})
"""Events that `write_status` shows in fewer words."""


class LocalReports:
    """The `Reports` of the loop."""

    def __init__(
        self,
        console: Console,
        connection: Connection,
        *,
        save: Callable[[Mapping[str, PoolStatus]], None],
        clock: Callable[[], float],
    ) -> None:
        """`save` keeps the pools where the commands of this machine find them."""
        self._console = console
        self._connection = connection
        self._save = save
        self._clock = clock
        self._sizes: dict[PoolKey, int] = {}
        self._statuses: Mapping[PoolKey, PoolStatus] = {}
        self._said = ("", 0.0)

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        """Show a change of size, and why."""
        was = self._sizes.get(pool.key, 0)
        if status.replicas is None or status.replicas == was:
            return
        self._sizes[pool.key] = status.replicas
        why = "; ".join(status.explanation)
        self._console.line(pool.key.name, f"{was} -> {status.replicas}  {why}")

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        """Show what is not a change of size."""
        if event.reason in SHOWN_AS_SIZES:
            return
        # What is the same for all pools, such as the broker's absence, is said once.
        last, at_s = self._said
        self._said = (event.message, event.at_s)
        if event.message == last and event.at_s - at_s < SAME_S:
            return
        show = self._console.problem if event.type is EventType.WARNING else self._console.line
        show(pool.key.name, event.message)

    def observe(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Remember what to post next."""
        del tick
        self._statuses = statuses

    async def post(self) -> None:
        """Post the pools on the board until cancelled."""
        posted: Mapping[str, PoolStatus] | None = None
        while True:
            pools = {key.name: status for key, status in self._statuses.items()}
            self._save(pools)
            try:
                await self._post(pools, is_news=pools != posted)
                posted = pools
            except BrokerUnreachable:
                posted = None  # the loop reports it for each pool, and the key expires
            await asyncio.sleep(POST_S)

    async def _post(self, pools: Mapping[str, PoolStatus], *, is_news: bool) -> None:
        """What has not changed only lives on: each write is kept in the append-only file."""
        async with self._connection.asking() as client:
            is_there = await client.expire(board.KEY, board.LIFETIME_S)
            if is_news or not is_there:
                text = board.build_text(Board(posted_at_s=self._clock(), pools=pools))
                await client.set(board.KEY, text, ex=board.LIFETIME_S)
