"""Hooks into Celery's workers and beat: their log lines, and a file for liveness probes.

Celery's `inspect ping` starts a Python for each probe and fails for busy workers. The file shows
that the worker's main loop runs. During an outage of the broker the loop blocks in the connect, so
a thread touches the file: an outage is not a reason to restart workers.
"""

import logging
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from celery import bootsteps, current_task, signals

from app.telemetry import logs
from app.telemetry.logs import LogFormat

logger = logging.getLogger(__name__)

INTERVAL_S = 2.0

STALLED_AFTER_S = 60.0
"""A main loop that has not run for this long while it is connected is stuck."""


def is_alive(*, loop_age_s: float, is_connected: bool) -> bool:
    """Whether the worker is alive, by the last run of its main loop."""
    return not is_connected or loop_age_s < STALLED_AFTER_S


class LivenessFile(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Worker step that keeps the file of `CELERIAC_LIVENESS_FILE` fresh."""

    requires: ClassVar[set[str]] = {"celery.worker.components:Timer"}
    path: ClassVar[Path]

    def __init__(self, parent: Any, **_: Any) -> None:
        self._turned_at = time.monotonic()
        self._stopped = threading.Event()

    def start(self, parent: Any) -> None:
        """Start with the worker. `parent` is Celery's WorkController."""
        parent.timer.call_repeatedly(INTERVAL_S, self._note_tick)
        threading.Thread(
            target=self._run, args=(parent,), name="liveness-file", daemon=True
        ).start()

    def stop(self, parent: Any) -> None:
        self._stopped.set()

    def terminate(self, parent: Any) -> None:
        self._stopped.set()

    def _note_tick(self) -> None:
        self._turned_at = time.monotonic()

    def _run(self, parent: Any) -> None:
        while True:
            consumer = getattr(parent, "consumer", None)
            is_connected = getattr(consumer, "connection", None) is not None
            age_s = time.monotonic() - self._turned_at
            if is_alive(loop_age_s=age_s, is_connected=is_connected):
                touch(self.path)
            if self._stopped.wait(INTERVAL_S):
                return


def touch(path: Path) -> None:
    """Show that this process is alive. A failure is only logged."""
    try:
        path.touch()
    except OSError as error:
        logger.warning("the liveness file is not touched", extra={"reason": str(error)})


def liveness_step(path: Path) -> type[LivenessFile]:
    """The step for a file, for `app.steps["worker"]`."""
    return type("LivenessFile", (LivenessFile,), {"path": path})


def connect_logging(log_format: LogFormat) -> None:
    """Set up logging instead of Celery, in every worker and beat of this process."""

    def configure(loglevel: int | str, **_: Any) -> None:
        level = logging.getLevelName(loglevel) if isinstance(loglevel, int) else loglevel
        logs.configure(level, log_format=log_format)
        logging.captureWarnings(True)  # noqa: FBT003  # the library's own signature
        for handler in logging.getLogger().handlers:
            handler.addFilter(with_task)

    def hide_banner(instance: Any, **_: Any) -> None:
        instance.quiet = log_format is LogFormat.JSON

    signals.setup_logging.connect(configure, weak=False, dispatch_uid="celeriac log lines")
    signals.celeryd_init.connect(hide_banner, weak=False, dispatch_uid="celeriac banner")


def with_task(record: logging.LogRecord) -> bool:
    """Add fields for the task of a line, and drop Celery's data of its arguments."""
    detail = record.__dict__.pop("data", None)
    if isinstance(detail, dict):
        record.task, record.task_id = detail.get("name"), detail.get("id")
        if "runtime" in detail:
            record.runtime_s = round(detail["runtime"], 3)
    elif current_task and current_task.request.id is not None:
        record.task, record.task_id = current_task.name, current_task.request.id
    return True
