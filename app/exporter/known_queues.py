"""The queues that an exporter shows: those that were named to it, and those that are in use."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.queues import QueueName

QUEUE_LIMIT = 1_000
"""Queues with series."""
FORGOTTEN_S = 600.0
"""So long after its last use a queue has series."""
LONGEST_NAME = 1_000
"""Characters of a name that is looked up in the broker."""

_OF_ONE_WORKER = re.compile(r"\.dq2?$|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""`worker_direct` queues, and those of `Broadcast`, which hold a UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    at_s: float
    is_certain: bool
    """It holds messages, or a worker consumes it. Else somebody only says so."""


class KnownQueues:
    """Remembers queues by their last use."""

    def __init__(self, named: Iterable[str] = (), *, limit: int = QUEUE_LIMIT) -> None:
        """`named` ones stay, whether they are used or not."""
        self._limit = limit
        self._named = dict.fromkeys(map(QueueName, named))
        self._uses: dict[QueueName, _Use] = {}

    def names(self) -> tuple[QueueName, ...]:
        """Every queue that has series now."""
        return (*self._named, *self._uses)

    def note(self, name: str, *, is_certain: bool, now_s: float) -> None:
        """Take in that a queue is used. One more than the limit takes the place of another one."""
        queue = QueueName(name)
        if queue in self._named or not 0 < len(name) <= LONGEST_NAME:
            return
        before = self._uses.get(queue)
        is_known_for_certain = before is not None and before.is_certain
        self._uses[queue] = _Use(at_s=now_s, is_certain=is_certain or is_known_for_certain)
        if len(self._named) + len(self._uses) > self._limit:
            self._uses.pop(min(self._uses, key=self._worth))

    def forget(self, *, now_s: float) -> None:
        """Drop the queues that were not used for long."""
        self._uses = {
            name: use for name, use in self._uses.items() if now_s - use.at_s < FORGOTTEN_S
        }

    def _worth(self, name: QueueName) -> tuple[bool, bool, float]:
        use = self._uses[name]
        return use.is_certain, _OF_ONE_WORKER.search(name) is None, use.at_s
