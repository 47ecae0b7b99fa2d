"""Log lines of workers and beat, written as those of the other roles."""

import logging
from typing import Any

from celery import current_task, signals

from app.telemetry import logs
from app.telemetry.logs import LogFormat


def connect(log_format: LogFormat) -> None:
    """Set up logging in place of Celery, in every worker and beat of this process."""

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
    """Name the task of a line by fields, and leave out what Celery adds of its arguments."""
    told = record.__dict__.pop("data", None)
    if isinstance(told, dict):
        record.task, record.task_id = told.get("name"), told.get("id")
        if "runtime" in told:
            record.runtime_s = round(told["runtime"], 3)
    elif current_task and current_task.request.id is not None:
        record.task, record.task_id = current_task.name, current_task.request.id
    return True
