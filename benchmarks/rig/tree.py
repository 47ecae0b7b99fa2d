"""The workers of a running platform as `/proc` shows them: their memory, children and work."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MEBIBYTE = 1024 * 1024
SAMPLE_S = 0.05

WORKER = "celery worker"
"""How `celeriac up` names its worker processes, the forks of a prefork pool included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process at one moment."""

    pid: int
    is_worker: bool
    rss_bytes: int
    cpu_ticks: int


def workers_below(pid: int) -> list[Process]:
    """Every worker process of the platform, and every process that one of them has started."""
    found: list[Process] = []
    waiting = [(child, False) for child in _children(pid)]
    while waiting:
        at, is_below_worker = waiting.pop()
        seen = _process(at)
        if seen is None:
            continue
        if seen.is_worker or is_below_worker:
            found.append(seen)
        waiting += [(child, seen.is_worker or is_below_worker) for child in _children(at)]
    return found


@dataclass(kw_only=True)
class Watch:
    """What has been seen since the watch began."""

    pid: int
    worker_bytes: int = 0
    """The largest worker process."""
    children_bytes: int = 0
    """All that workers had started, together at one moment."""
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_S):
            seen = workers_below(self.pid)
            mine = [one.rss_bytes for one in seen if one.is_worker]
            theirs = sum(one.rss_bytes for one in seen if not one.is_worker)
            self.worker_bytes = max(self.worker_bytes, *mine, 0)
            self.children_bytes = max(self.children_bytes, theirs)


@contextmanager
def watched(pid: int) -> Iterator[Watch]:
    """Watch the workers of this platform until the block ends."""
    watch = Watch(pid=pid)
    thread = threading.Thread(target=watch.run, name="watch")
    thread.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        thread.join()


class Quiet:
    """Whether workers have come to rest: nothing that they started is left, and they hardly use the
    processor. Ask again and again. Workers that start later, to clean up, do not count."""

    BUSY_RATIO = 0.15
    """Of one processor, between two questions: an idle worker renews leases and listens."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ticks = {one.pid: one.cpu_ticks for one in workers_below(pid) if one.is_worker}

    def is_working(self, passed_s: float) -> bool:
        """Whether some work was done in the seconds since the question before."""
        seen = workers_below(self._pid)
        ticks = {one.pid: one.cpu_ticks for one in seen if one.pid in self._ticks}
        spent = sum(count - self._ticks[pid] for pid, count in ticks.items())
        self._ticks = ticks
        has_children = any(not one.is_worker for one in seen)
        return has_children or spent / TICKS_PER_S > self.BUSY_RATIO * passed_s


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, listing.read_text().split())
        except OSError:
            continue
    return found


def _process(pid: int) -> Process | None:
    """Name, size and time as `/proc/PID/stat` tells them (fields 2, 24, and 14 and 15)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return Process(
        pid=pid,
        is_worker=name == WORKER,
        rss_bytes=int(fields[21]) * PAGE_BYTES,
        cpu_ticks=int(fields[11]) + int(fields[12]),
    )
