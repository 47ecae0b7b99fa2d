"""Notices that code has changed, for `--reload`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

LOOK_S = 1.0

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})

Snapshot = Mapping[str, int]
"""Modification times in nanoseconds, by path."""


def snapshot(folders: Sequence[Path]) -> Snapshot:
    """Every Python file below the folders; hidden folders (`.venv`, `.git`) are left out."""
    return {path: mtime for folder in folders for path, mtime in _python_files(folder)}


async def watch(folders: Sequence[Path], changed: Callable[[], Awaitable[None]]) -> None:
    """Call `changed` after files were written, added or removed, until cancelled."""
    before = await asyncio.to_thread(snapshot, folders)
    while True:
        await asyncio.sleep(LOOK_S)
        now = await asyncio.to_thread(snapshot, folders)
        if now != before:
            before = now
            await changed()


def _python_files(folder: Path) -> Iterator[tuple[str, int]]:
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".") and name not in SKIPPED]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                try:
                    yield path, os.stat(path).st_mtime_ns
                except FileNotFoundError:  # between the listing and now
                    continue
