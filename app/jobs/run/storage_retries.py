"""Waiting for a database that is away for a moment."""

import time
from collections.abc import Callable
from typing import TypeVar

from app.errors import StorageUnavailable

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


def until_stored(write: Callable[[], T], *, for_s: float) -> T:
    """Call `write` until the database takes it. Raises StorageUnavailable after `for_s`."""
    give_up_at = time.monotonic() + for_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return write()
        except StorageUnavailable:
            if time.monotonic() + pause_s > give_up_at:
                raise
        time.sleep(pause_s)
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
