"""The terminal output of `celeriac up`: a banner, then a line for each change."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import rich.console
from rich.table import Table
from rich.text import Text

from app.local.data_dir import LOG_LIMIT_BYTES
from app.local.plan import celery_pools
from app.local.plan.local_pools import LocalPool
from app.telemetry import logs
from app.telemetry.logs import LogFormat
from app.telemetry.terminal_text import shown

_ERROR_LINES = 8
_ERROR_PERIOD_S = 10.0
"""At most this many lines of errors in this period; the log files have them all."""

_EMPTY_LINE = Text()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAddresses:
    """The addresses of a run, for the banner. URLs contain no password."""

    api: str | None
    broker: str
    database: str | None
    data_dir: Path


class Terminal(rich.console.Console):
    """The user's terminal. Once it is gone, nothing is written to it and the platform continues."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class RunConsole:
    """Writes to the terminal."""

    def __init__(self, terminal: Terminal, *, now: Callable[[], str], clock: Callable[[], float]):
        self._terminal = terminal
        self._now = now
        self._clock = clock
        self._errors: deque[float] = deque(maxlen=_ERROR_LINES)

    def banner(
        self,
        addresses: RunAddresses,
        pools: Sequence[LocalPool],
        *,
        application_pool: str = celery_pools.DEFAULT,
    ) -> None:
        """Print the addresses and pools, once everything is ready."""
        show = self._print
        show()
        show(Text.assemble(("celeriac", "bold green"), " is up"))
        for name, value in (
            ("API", addresses.api and f"{addresses.api}/docs"),
            ("broker", addresses.broker),
            ("database", addresses.database),
            ("data, logs", str(addresses.data_dir)),
        ):
            if value:
                show(Text.assemble((f"  {name:<12}", "bold"), value))
        if pools:
            show()
            show(_pools_table(pools, application_pool))
        show()
        show(Text("Ctrl-C stops everything; running tasks may finish first.", style="dim"))
        show()

    def line(self, subject: str, text: str, *, style: str = "") -> None:
        """Print a line."""
        self._print(
            Text.assemble(
                (self._now(), "dim"), "  ", (f"{shown(subject):<14}", "bold"), (shown(text), style)
            )
        )

    def problem(self, subject: str, text: str) -> None:
        """Print a line about a problem."""
        self.line(subject, text, style="red")

    def error_of(self, subject: str, text: str) -> None:
        """Print a line that a child has logged as an error, unless there were many just now."""
        now_s = self._clock()
        is_flood = len(self._errors) == _ERROR_LINES and now_s - self._errors[0] < _ERROR_PERIOD_S
        if is_flood:
            return
        self._errors.append(now_s)
        self.problem(subject, text)
        if len(self._errors) == _ERROR_LINES and now_s - self._errors[0] < _ERROR_PERIOD_S:
            self.problem(subject, "… more of these in the log files")

    def _print(self, shown: Text | Table = _EMPTY_LINE) -> None:
        with suppress(OSError):  # the terminal hung up
            self._terminal.print(shown, soft_wrap=True)


def _pools_table(pools: Sequence[LocalPool], application_pool: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("  pool", "queues", "kind", "slots", "replicas"):
        table.add_column(column)
    for pool in pools:
        spec = pool.pool.spec
        slots = str(spec.concurrency) if spec.concurrency is not None else "-"
        bounds = f"{spec.min_replicas}-{spec.max_replicas}"
        kind = celery_pools.build_start(pool.celery_pool, application_pool=application_pool).name
        table.add_row(f"  {pool.name}", ", ".join(spec.queues), kind, slots, bounds)
    return table


class ConsoleHandler(logging.Handler):
    """Prints logged errors on the console."""

    def __init__(self, console: RunConsole) -> None:
        super().__init__(logging.ERROR)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        reason = f": {error!r}" if error is not None else ""
        self._console.error_of("celeriac", f"{record.getMessage()}{reason}")


@contextmanager
def log_to_file(path: Path, console: RunConsole, *, level: str) -> Iterator[None]:
    """Send every logger of this process to a file, which is rotated when it is large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    with path.open("a") as stream:
        logs.configure(level, log_format=LogFormat.TEXT, stream=stream)
        handler = ConsoleHandler(console)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.basicConfig(handlers=[logging.NullHandler()], force=True)
