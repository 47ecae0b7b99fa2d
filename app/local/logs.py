"""Our own log lines: into a file, and errors to the terminal too."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.local.console import Console
from app.local.processes.output_log import FILE_LIMIT_BYTES
from app.telemetry import logs
from app.telemetry.logs import LogFormat


class ConsoleHandler(logging.Handler):
    """Shows errors as lines among the others."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.ERROR)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        reason = f": {error!r}" if error is not None else ""
        self._console.error_of("celeriac", f"{record.getMessage()}{reason}")


@contextmanager
def to_file(path: Path, console: Console, *, level: str) -> Iterator[None]:
    """Send every logger of this process to a file, which begins anew when it has grown large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > FILE_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    with path.open("a") as stream:
        logs.configure(level, log_format=LogFormat.TEXT, stream=stream)
        handler = ConsoleHandler(console)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.basicConfig(handlers=[logging.NullHandler()], force=True)
