"""What the user of `celeriac up` reads."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.control.pool.status import EventType, PoolEvent, PoolState, PoolStatus
from app.local.console import RunAddresses, RunConsole, Terminal
from app.local.plan import local_pools
from app.local.plan.local_pools import LocalPool
from app.local.supervisor import LocalReports
from app.queues import QUEUES


@dataclass(kw_only=True)
class Screen:
    """A console whose text can be read, and whose clock is set by the test."""

    now_s: float = 0.0
    file: io.StringIO = field(default_factory=io.StringIO)

    @property
    def console(self) -> RunConsole:
        terminal = Terminal(file=self.file, width=200, highlight=False)
        return RunConsole(terminal, now=lambda: "12:00:00", clock=lambda: self.now_s)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.file.getvalue().splitlines() if line.strip()]


def first_pools() -> list[LocalPool]:
    return local_pools.declared_pools(QUEUES, processors=2, cooldown_s=30.0)[:2]


def status(replicas: int, *explanation: str) -> PoolStatus:
    return PoolStatus(
        observed_generation=1,
        state=PoolState.FOLLOWING,
        pool_queues=("documents",),
        min_replicas=0,
        max_replicas=10,
        mode="Auto",
        replicas=replicas,
        ready_replicas=replicas,
        desired_replicas=replicas,
        draining_replicas=0,
        selector="",
        last_scale_at_s=None,
        queues=(),
        backlog=0,
        held=None,
        active_tasks=0,
        arrival_rate=None,
        mean_runtime_s=None,
        queue_wait_s=None,
        slots_per_replica=None,
        explanation=explanation,
        conditions=(),
    )


def test_the_banner_says_where_everything_is() -> None:
    screen = Screen()
    places = RunAddresses(
        api="http://127.0.0.1:8000",
        broker="127.0.0.1:7000",
        database="sqlite:////data/celeriac.db",
        data_dir=Path("/data"),
    )

    screen.console.banner(places, first_pools())

    assert screen.lines == [
        "celeriac is up",
        "  API         http://127.0.0.1:8000/docs",
        "  broker      127.0.0.1:7000",
        "  database    sqlite:////data/celeriac.db",
        "  data, logs  /data",
        "  pool      queues    kind     slots  replicas",
        "  default   default   prefork  2      0-1",
        "  download  download  threads  4      0-2",
        "Ctrl-C stops everything; running tasks may finish first.",
    ]


def test_errors_of_children_are_shown_until_there_are_too_many() -> None:
    screen = Screen()
    console = screen.console

    for number in range(20):
        console.error_of("download", f"error {number}")
    assert len(screen.lines) == 9
    assert screen.lines[-1] == "12:00:00  download      … more of these in the log files"

    screen.now_s = 60.0
    console.error_of("download", "later")
    assert screen.lines[-1] == "12:00:00  download      later"


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    screen = Screen(file=Gone())

    screen.console.line("celeriac", "ending")


def reported(screen: Screen, tell: Callable[[LocalReports, LocalPool, LocalPool], object]) -> None:
    async def scenario() -> None:
        connection = Connection(parse_address("redis://127.0.0.1:1"))
        reports = LocalReports(
            screen.console, connection, save=lambda pools: None, clock=lambda: screen.now_s
        )
        first, second = first_pools()
        told = tell(reports, first, second)
        assert asyncio.iscoroutine(told)
        await told
        await connection.close()

    asyncio.run(scenario())


def test_a_change_of_size_is_a_line_with_its_reason() -> None:
    async def tell(reports: LocalReports, first: LocalPool, _: LocalPool) -> None:
        for replicas in (0, 2, 2, 0):
            await reports.write_status(first.pool, status(replicas, "17 waiting", "2 wanted"))

    screen = Screen()
    reported(screen, tell)

    assert screen.lines == [
        "12:00:00  default       0 -> 2  17 waiting. 2 wanted",
        "12:00:00  default       2 -> 0  17 waiting. 2 wanted",
    ]


def test_what_is_the_same_for_all_pools_is_said_once() -> None:
    def event(reason: str, message: str, at_s: float) -> PoolEvent:
        return PoolEvent(type=EventType.WARNING, reason=reason, message=message, at_s=at_s)

    async def tell(reports: LocalReports, first: LocalPool, second: LocalPool) -> None:
        await reports.write_event(first.pool, event("BrokerUnreachable", "no answer", 1.0))
        await reports.write_event(second.pool, event("BrokerUnreachable", "no answer", 1.1))
        await reports.write_event(second.pool, event("BrokerUnreachable", "no answer", 60.0))
        await reports.write_event(second.pool, event("ScaledUp", "0 -> 1", 60.0))

    screen = Screen()
    reported(screen, tell)

    assert screen.lines == [
        "12:00:00  default       no answer",
        "12:00:00  download      no answer",
    ]
