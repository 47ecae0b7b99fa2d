"""Files of state in the data folder: the status of the run for the commands, revoked task ids for
the next run, and the `--statedb` from which a Celery worker reads revoked ids before it consumes.
"""

import asyncio
import dbm.dumb
import json
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from app.control.pool.status import PoolStatus

SAVE_S = 1.0

RevokedByPrefix = Mapping[str, Mapping[str, float]]
"""Revoked ids and when each was received, by the key prefix of their application."""

_WORKER_STATE_KEY = "revoked"
"""Every release from 5.2.7 to 5.7.0 reads a plain sequence of ids under this key, and writes a set
of its own class under another key when it ends."""
_PICKLE_PROTOCOL = 2
_WORKER_STATE_SUFFIXES = (".dat", ".dir", ".bak")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpStatus:
    """The status of one run."""

    api_url: str | None
    """`None` where the application is not ours."""
    broker_url: str = ""
    """With its password: the data folder is its owner's alone."""
    message_keys: str = ""
    """As CELERIAC_MESSAGE_KEYS; empty where the application is not ours."""
    pools: Mapping[str, PoolStatus] = field(default_factory=dict)
    """By name. Empty before the first reconciliation."""


_STATUS = TypeAdapter(UpStatus)


def status_of(
    api_url: str | None,
    environment: Mapping[str, str],
    pools: Mapping[str, PoolStatus] | None = None,
) -> UpStatus:
    """The status of a run whose child processes have this environment."""
    return UpStatus(
        api_url=api_url,
        broker_url=environment["CELERY_BROKER_URL"],
        message_keys=environment.get("CELERIAC_MESSAGE_KEYS", "") if api_url else "",
        pools={} if pools is None else pools,
    )


def write_status(path: Path, status: UpStatus) -> None:
    """Replace the status."""
    _replace(path, json.dumps(_STATUS.dump_python(status)).encode())


def find_status(path: Path) -> UpStatus | None:
    """The last status; `None` where there is none that this version reads."""
    try:
        return _STATUS.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def read_revoked(path: Path) -> RevokedByPrefix:
    """The ids that were saved last; none where the file cannot be read."""
    try:
        found = json.loads(path.read_text())
        return {
            str(prefix): {str(task_id): float(at_s) for task_id, at_s in ids.items()}
            for prefix, ids in found.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_revoked(path: Path, revoked: RevokedByPrefix) -> None:
    """Replace the saved ids."""
    _replace(path, json.dumps({prefix: dict(ids) for prefix, ids in revoked.items()}).encode())


async def keep_revoked(path: Path, current: Callable[[], RevokedByPrefix]) -> None:
    """Save the ids whenever they have changed, until cancelled, and once more then."""
    saved = read_revoked(path)

    def save() -> None:
        nonlocal saved
        revoked = current()
        if revoked != saved:
            write_revoked(path, revoked)
            saved = revoked

    try:
        while True:
            await asyncio.sleep(SAVE_S)
            save()
    finally:
        save()


def write_worker_state(path: Path, task_ids: Sequence[str]) -> None:
    """Write a new `--statedb`, in the one format that every Python reads, however it was built."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_worker_state(path)
    with dbm.dumb.open(str(path), "n") as database:
        # As `shelve`, by which the worker reads it, stores a value.
        database[_WORKER_STATE_KEY] = pickle.dumps(list(task_ids), protocol=_PICKLE_PROTOCOL)


def remove_worker_state(path: Path) -> None:
    """Remove what a worker has left, if anything."""
    for suffix in _WORKER_STATE_SUFFIXES:
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def is_worker_state_path(path: Path) -> bool:
    """Whether `--statedb` takes the path as it is: a percent sign begins a placeholder there, which
    releases of Celery do not agree on how to escape."""
    return "%" not in str(path)


def _replace(path: Path, data: bytes) -> None:
    """In one step, so that a reader sees the old content or the new."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    os.replace(new, path)
