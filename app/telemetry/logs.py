"""Log lines of a role: an event name and its fields, as JSON for programs or as text for people."""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO

from app.telemetry.masking import without_credentials
from app.telemetry.terminal_text import one_line, shown

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
"""The attributes of every record; all others come from `extra`."""


class LogFormat(StrEnum):
    """The format of a line."""

    JSON = "json"
    TEXT = "text"


def configure(
    level: str, *, log_format: LogFormat | None = None, stream: IO[str] | None = None
) -> None:
    """Send every logger to one stream (default: stderr). Default: text on a terminal, else JSON."""
    output = stream if stream is not None else sys.stderr
    if log_format is None:
        log_format = LogFormat.TEXT if output.isatty() else LogFormat.JSON
    handler = logging.StreamHandler(output)
    handler.setFormatter(JsonFormatter() if log_format is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    hush_requests()


def hush_requests() -> None:
    """Keep our HTTP client's line for each request out of the logs.

    These lines contain whole URLs, with secrets, and a crawl makes thousands of requests. A level
    that is already set for the logger is kept.
    """
    requests = logging.getLogger("httpx2")
    if requests.level == logging.NOTSET:
        requests.setLevel(logging.WARNING)


def hide_payloads() -> None:
    """Keep results of tasks, and secrets in the URLs of their errors, out of Celery's own lines."""
    for name in ("celery.app.trace", "celery.worker.request", "celery.worker.strategy"):
        logging.getLogger(name).addFilter(_without_payload)  # the same one is added once


def _without_payload(record: logging.LogRecord) -> bool:
    if isinstance(record.args, Mapping):
        record.msg = str(record.msg).replace(": %(return_value)s", "")
        record.args = {
            name: without_credentials(value)
            for name, value in record.args.items()
            if name != "return_value"
        }
    if record.exc_info:
        record.exc_text = without_credentials(_FORMATTER.formatException(record.exc_info))
    return True


_FORMATTER = logging.Formatter()


@dataclass(kw_only=True)
class OutageLog:
    """Logs one line when something begins to fail, and one when it works again."""

    logger: logging.Logger
    began: str
    """The line at the beginning, a warning."""
    ended: str
    """The line at the end."""
    tolerated_failures: int = 0
    """Failures in a row that are not logged."""
    _failures: int = 0

    def failed(self, reason: str) -> None:
        """Note a failure."""
        self._failures += 1
        if self._failures == self.tolerated_failures + 1:
            self.logger.warning(self.began, extra={"reason": reason})

    def worked(self) -> None:
        """Note a success."""
        if self._failures > self.tolerated_failures:
            self.logger.info(self.ended)
        self._failures = 0


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line = without_credentials(line)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`10:20:11 warning  watch is lost  collection=pods`."""

    def format(self, record: logging.LogRecord) -> str:
        time = _moment(record)[11:19]
        values = {name: one_line(str(value)) for name, value in _fields(record).items()}
        fields = "".join(f"  {name}={value}" for name, value in values.items())
        message = one_line(record.getMessage())
        line = f"{time} {record.levelname.lower():<7}  {message}{fields}"
        if record.exc_info:
            line += f"\n{shown(self.formatException(record.exc_info))}"
        masked_line: str = without_credentials(line)
        return masked_line


def _moment(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
