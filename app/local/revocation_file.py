"""Revoked task ids of the applications on this machine, kept in the data folder from run to run."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

SAVE_S = 1.0

ByPrefix = Mapping[str, Mapping[str, float]]
"""Ids and when they were heard of, by the key prefix of their application."""


def read(path: Path) -> ByPrefix:
    """What was saved last; nothing where that cannot be read."""
    try:
        found = json.loads(path.read_text())
        return {
            str(prefix): {str(task_id): float(at_s) for task_id, at_s in ids.items()}
            for prefix, ids in found.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write(path: Path, revoked: ByPrefix) -> None:
    """Replace the file in one step."""
    text = json.dumps({prefix: dict(ids) for prefix, ids in revoked.items()})
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


async def keep(path: Path, current: Callable[[], ByPrefix]) -> None:
    """Save what is revoked whenever it has changed, until cancelled, and once more then."""
    saved = read(path)
    try:
        while True:
            await asyncio.sleep(SAVE_S)
            saved = _saved(path, current(), saved)
    finally:
        _saved(path, current(), saved)


def _saved(path: Path, revoked: ByPrefix, saved: ByPrefix) -> ByPrefix:
    if revoked != saved:
        write(path, revoked)
    return revoked
