"""Runs the loop whenever this process may act."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from app.control.loop import Loop


class Term(Protocol):
    """Says when this process may act."""

    @property
    def terms(self) -> int: ...

    async def gained(self) -> None: ...

    async def lost(self) -> None: ...


class Unopposed:
    """The leadership of a process that writes nothing: there is nobody to agree with."""

    terms = 0
    is_leading = True
    problem = ""

    async def gained(self) -> None:
        return

    async def lost(self) -> None:
        await asyncio.Event().wait()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        return


async def lead(turn: Term, loop: Loop, *, on_lost: Callable[[], None]) -> None:
    """Run the loop while this process leads, for ever.

    Between two terms of its own it remembers what it knew; where another operator may have acted it
    begins anew.
    """
    term: int | None = None
    while True:
        await turn.gained()
        if term == turn.terms:
            loop.rewrite()
        elif term is not None:
            loop.forget()
        term = turn.terms
        running = asyncio.create_task(loop.run(), name="loop")
        lost = asyncio.create_task(turn.lost(), name="lost leadership")
        try:
            await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (running, lost):
                task.cancel()
            await asyncio.gather(running, lost, return_exceptions=True)
        if not running.cancelled():
            running.result()
        on_lost()
