"""Keeps the history of one application: takes its events in the event loop, writes in a thread."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from app.broker.workers.task_events import TaskEvent
from app.foreign.history_writer import HistoryWriter, Retention
from app.telemetry.logs import OutageLog

logger = logging.getLogger(__name__)

WRITE_S = 0.25
"""How often events are written: pages are at most that much behind."""
EVENTS_AT_ONCE = 5_000
WAITING_LIMIT = 200_000
"""Events that wait to be written. Those that come on top are dropped and counted."""
PRUNE_S = 60.0


class Recorder:
    """Writes the history while it is open. `take` and `lose` never block."""

    def __init__(self, path: Path, *, retention: Retention, clock: Callable[[], float]) -> None:
        """Raises InvalidInput: the file cannot be used."""
        self._writer = HistoryWriter(path, retention=retention, clock=clock)
        self._waiting: deque[TaskEvent] = deque()
        self._vanished: deque[str] = deque()
        self._actions: deque[tuple[str, str, str]] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="task history", daemon=True)
        self._outage = OutageLog(
            logger=logger, began="history is not written", ended="history is written again"
        )
        self.only_queues: Mapping[str, str] = {}
        """The queue of each worker that consumes just one: its events name none."""
        self.dropped = 0
        """Events that came faster than they could be written."""

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and stop."""
        self._stopping.set()
        self._thread.join()
        self._writer.close()

    def take(self, event: TaskEvent) -> None:
        """Keep an event."""
        if len(self._waiting) >= WAITING_LIMIT:
            self.dropped += 1
            return
        self._waiting.append(event)

    def lose(self, workers: Iterable[str]) -> None:
        """Note that these workers have vanished."""
        self._vanished.extend(workers)

    def note(self, action: str, subject: str, outcome: str) -> None:
        """Keep that something was done through the console."""
        self._actions.append((action, subject, outcome))

    def _run(self) -> None:
        pruned_at = time.monotonic()
        while True:
            is_last = self._stopping.wait(WRITE_S)
            try:
                self._write()
                if time.monotonic() - pruned_at >= PRUNE_S:
                    pruned_at = time.monotonic()
                    self._writer.prune()
                self._outage.worked()
            except sqlite3.Error as error:  # a full disk: later events may be written again
                self._outage.failed(str(error))
            except Exception:
                logger.exception("events are missing in the history")
            if is_last:
                return

    def _write(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), EVENTS_AT_ONCE)
            self._writer.add(
                [self._waiting.popleft() for _ in range(count)], only_queues=self.only_queues
            )
        while self._actions:
            self._writer.note(*self._actions[0])
            self._actions.popleft()
        vanished = {self._vanished.popleft() for _ in range(len(self._vanished))}
        if vanished:
            self._writer.lose(vanished)
