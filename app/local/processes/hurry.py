"""Waiting that somebody may cut short."""

import asyncio
from collections.abc import Collection


async def wait(
    tasks: "Collection[asyncio.Task[object]]", *, within_s: float, hurry: asyncio.Event
) -> None:
    """Return when all tasks are done, the time is up or `hurry` is set. Cancels none of them."""
    if not tasks or hurry.is_set():
        return
    done = asyncio.create_task(_all_done(tasks))
    hurried = asyncio.create_task(_is_set(hurry))
    await asyncio.wait({done, hurried}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    done.cancel()
    hurried.cancel()


async def _all_done(tasks: "Collection[asyncio.Task[object]]") -> None:
    await asyncio.wait(tasks)


async def _is_set(event: asyncio.Event) -> None:
    await event.wait()
