"""The folder that holds all that outlives a run, owned by one `celeriac up` at a time."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import CeleriacError

LOCK_TIMEOUT_S = 3.0
"""For the servers of a run that was killed: they hold the lock until they have ended too."""

LOG_LIMIT_BYTES = 10 * 1024 * 1024
"""At this size a log file is renamed to `….1`, over the one before."""

_POLL_S = 0.05


class DataDirInUse(CeleriacError):
    """Another `celeriac up` works on the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDir:
    """Paths in the folder; all absolute."""

    path: Path

    @property
    def broker(self) -> Path:
        return self.path / "broker"

    @property
    def database(self) -> Path:
        return self.path / "celeriac.db"

    @property
    def temp(self) -> Path:
        return self.path / "temp"

    @property
    def storage(self) -> Path:
        return self.path / "storage"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def schedule(self) -> Path:
        """Where beat remembers what it has sent."""
        return self.path / "beat-schedule"

    @property
    def status(self) -> Path:
        """What runs here, for the commands."""
        return self.path / "status.json"

    def is_in_use(self) -> bool:
        """Whether a `celeriac up` owns the folder now."""
        try:
            fd = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    @property
    def revoked(self) -> Path:
        """Revoked task ids, for workers that start later."""
        return self.path / "revoked.json"

    def worker_state(self, name: str) -> Path:
        """What a worker reads when it starts, and may write when it ends."""
        return self.path / "workers" / name

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Own the folder, which is made if need be; yields the lock's file descriptor.

        A child that inherits the descriptor keeps the lock until it has ended as well.

        Raises:
            DataDirInUse: another process owns it; the message names its pid.
            CeleriacError: the folder cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise CeleriacError(f"cannot use {self.path} as data folder: {exc.strerror}") from exc
        try:
            self._lock(fd)
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
            yield fd
        finally:
            os.close(fd)

    def remembered(self) -> Mapping[str, int]:
        """Ports of the last run, by what listened there."""
        try:
            found = json.loads(self._ports.read_text())
            return {str(name): int(port) for name, port in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}  # never run, or cut short: nothing that a free port would not replace

    def remember(self, ports: Mapping[str, int]) -> None:
        self._ports.write_text(json.dumps(dict(ports)))

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def _ports(self) -> Path:
        return self.path / "ports.json"

    def _lock(self, fd: int) -> None:
        deadline_s = time.monotonic() + LOCK_TIMEOUT_S
        while not _try_lock(fd):
            if time.monotonic() > deadline_s:
                owner = os.pread(fd, 20, 0).decode(errors="replace") or "unknown"
                raise DataDirInUse(
                    f"celeriac up (pid {owner}) already runs in {self.path}; "
                    "stop it, or use another --data-dir"
                )
            time.sleep(_POLL_S)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
