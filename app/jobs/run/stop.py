"""Stops running work: once, from any thread, and its processes at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from app.errors import CeleriacError


class Stoppable(Protocol):
    """Something that runs and can be stopped."""

    def stop(self) -> None:
        """Begin to end it; must not block."""


class Stop:
    """The request to stop one run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: CeleriacError | None = None
        self._running: set[Stoppable] = set()

    @property
    def error(self) -> CeleriacError | None:
        """Why the work should end; None while it should not."""
        return self._error

    def request(self, error: CeleriacError) -> None:
        """Ask the work to stop with this error. The first reason stays."""
        with self._lock:
            if self._error is None:
                self._error = error
            running = tuple(self._running)
        for process in running:
            process.stop()

    def check(self) -> None:
        """Raise the error when there is one."""
        if self._error is not None:
            raise self._error

    @contextmanager
    def covering(self, process: Stoppable) -> Iterator[None]:
        """Stop the process too, when the work is stopped meanwhile or was before."""
        with self._lock:
            self._running.add(process)
            is_stopped = self._error is not None
        if is_stopped:
            process.stop()
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)
