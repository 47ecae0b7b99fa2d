"""The data folder: everything that outlives a run, owned by one `celeriac up` at a time."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import CeleriacError

LOCK_TIMEOUT_S = 3.0
"""How long to wait for the servers of a killed run, which hold the lock until they have ended."""

LOG_LIMIT_BYTES = 10 * 1024 * 1024
"""At this size a log file is renamed to `….1`, which replaces the previous one."""

_POLL_S = 0.05


class DataDirInUse(CeleriacError):
    """Another `celeriac up` uses the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDir:
    """The absolute paths in the folder."""

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
        """Where beat stores what it has sent."""
        return self.path / "beat-schedule"

    @property
    def status(self) -> Path:
        """The status of the run, for the commands."""
        return self.path / "status.json"

    def is_in_use(self) -> bool:
        """Whether a `celeriac up` uses the folder now."""
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
        """A worker's `--statedb`."""
        return self.path / "workers" / name

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Lock the folder, and create it if needed; yields the file descriptor of the lock.

        A child that inherits the descriptor keeps the lock until it has ended.

        Raises:
            DataDirInUse: another process owns it; the message names its pid.
            CeleriacError: the folder cannot be created or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)  # jobs, documents and passwords of one user
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

    def broker_password(self) -> str:
        """The password of the embedded broker, generated when it is needed first."""
        return _secret(self.broker / "password", length_bytes=24)

    def message_key(self) -> str:
        """The key that signs messages between API, workers and beat, generated likewise."""
        return _secret(self.path / "message-key", length_bytes=32)

    def remembered(self) -> Mapping[str, int]:
        """The ports of the last run, by server."""
        try:
            found = json.loads(self._ports.read_text())
            return {str(name): int(port) for name, port in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}  # missing or truncated: free ports are as good

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


def _secret(path: Path, *, length_bytes: int) -> str:
    """The random text in a file that only its owner reads."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_urlsafe(length_bytes))
        os.replace(new, path)  # never half a secret, even after a power cut
    return path.read_text().strip()


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
