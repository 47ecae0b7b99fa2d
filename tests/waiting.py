"""Waiting for a condition with a deadline: tests never sleep for a guessed time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.02


def eventually(probe: Callable[[], T], *, within_s: float = 90.0, why: str = "") -> T:
    """Call `probe` until it returns something true, and return that; else AssertionError."""
    deadline = time.monotonic() + within_s
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {why or probe}, last seen: {found!r}")
        time.sleep(POLL_S)
    return found


async def eventually_async(probe: Callable[[], T], *, within_s: float = 90.0, why: str = "") -> T:
    """The same inside a running event loop, which goes on meanwhile."""
    deadline = time.monotonic() + within_s
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {why or probe}, last seen: {found!r}")
        await asyncio.sleep(POLL_S)
    return found
