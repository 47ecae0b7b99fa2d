"""What is known of the messages that workers hold, by delivery tag.

A message never changes under its tag: it is read once and then remembered for as long as the broker
lists its tag. What one observation reads is bounded by a number of messages and of bytes, so a
broker that was never read before is known after several.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from app.broker import redis_keys
from app.broker.queues import samples
from app.broker.queues.samples import HeldMessage

LISTED = 10_000
"""Tags of one observation. The server takes 1 ms for them."""
WINDOWS = 5
"""Of more tags than `LISTED`, windows are observed in turn; of more than these hold, that many
windows spread over all of them."""
MEASURED = 1_000
"""New messages of one observation: the server takes 1 ms for their sizes."""
READ_BYTES = 2 * 1024 * 1024
"""Bytes of values that one observation reads. A larger message is never read: the server would
do nothing else for the time of its copy (112 MB: 150 ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTable:
    """The bindings of one exchange."""

    by_key: Mapping[str, frozenset[str]]
    by_pattern: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCount:
    """What workers hold of one queue; estimates while not every message is known."""

    unacked: float = 0.0
    scheduled: float = 0.0
    due_soon: float = 0.0

    def plus(self, other: "HeldCount", *, times: float = 1.0) -> "HeldCount":
        return HeldCount(
            unacked=self.unacked + other.unacked * times,
            scheduled=self.scheduled + other.scheduled * times,
            due_soon=self.due_soon + other.due_soon * times,
        )


@dataclass(slots=True)
class _Entry:
    listed_in: int
    """The last observation that has listed the tag."""
    size_bytes: int | None = None
    message: HeldMessage | None = None
    is_read: bool = False


class UnackedCache:
    """Remembers messages between observations. It asks for nothing itself."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._observation = 0
        self._total = 0

    @property
    def is_complete(self) -> bool:
        """Whether the route of every held message is known."""
        return sum(1 for one in self._entries.values() if one.is_read) >= self._total

    def window(self) -> tuple[int, int]:
        """First and last rank to list next, in the index of tags."""
        windows = self._windows()
        start = self._total * (self._observation % windows) // windows if windows > 1 else 0
        return start, start + LISTED - 1

    def list_tags(self, tags: Sequence[bytes], *, total: int) -> None:
        """Take in the tags of a window, and forget those that are gone."""
        self._observation += 1
        self._total = total
        for tag in tags:
            entry = self._entries.get(tag)
            if entry is None:
                self._entries[tag] = _Entry(listed_in=self._observation)
            else:
                entry.listed_in = self._observation
        # Ranks shift while messages come and go: a tag may be missed once in a round.
        oldest = self._observation - (0 if self._windows() == 1 else self._windows())
        self._entries = {tag: one for tag, one in self._entries.items() if one.listed_in >= oldest}

    def unmeasured(self) -> list[bytes]:
        """Tags whose size to ask for next."""
        new = (tag for tag, one in self._entries.items() if one.size_bytes is None)
        return list(islice(new, MEASURED))

    def measure(self, tags: Iterable[bytes], sizes: Iterable[int]) -> None:
        """Take in sizes; 0 is a message that has gone meanwhile."""
        for tag, size_bytes in zip(tags, sizes, strict=True):
            if size_bytes == 0:
                del self._entries[tag]
            else:
                self._entries[tag].size_bytes = size_bytes

    def unread(self) -> list[bytes]:
        """Tags whose messages to ask for next, within the bounds."""
        # Tags are random: in their order, what is read first is a fair sample.
        known = sorted(
            (tag, one.size_bytes)
            for tag, one in self._entries.items()
            if not one.is_read and one.size_bytes is not None and one.size_bytes <= READ_BYTES
        )
        tags: list[bytes] = []
        left = READ_BYTES
        for tag, size_bytes in known[:MEASURED]:
            left -= size_bytes
            if left < 0 and tags:
                break
            tags.append(tag)
        return tags

    def read(self, tags: Iterable[bytes], values: Iterable[bytes | None]) -> None:
        """Take in messages; `None` is one that has gone meanwhile."""
        for tag, value in zip(tags, values, strict=True):
            if value is None:
                del self._entries[tag]
            else:
                entry = self._entries[tag]
                entry.message, entry.is_read = samples.parse_held(value), True

    def exchanges(self) -> frozenset[str]:
        """The exchanges by which messages came, without the default one."""
        found = {one.message.exchange for one in self._entries.values() if one.message is not None}
        return frozenset(found - {""})

    def counts(
        self, tables: Mapping[str, BindingTable], *, now_s: float, horizon_s: float
    ) -> dict[str, HeldCount]:
        """What is held of each queue."""
        counts: dict[str, HeldCount] = defaultdict(HeldCount)
        scale = self._scale()
        for (exchange, routing_key), share in self._by_route(now_s, horizon_s).items():
            for queue in destinations(routing_key, tables.get(exchange)):
                counts[queue] = counts[queue].plus(share, times=scale)
        return counts

    def _by_route(self, now_s: float, horizon_s: float) -> dict[tuple[str, str], HeldCount]:
        unacked: Counter[tuple[str, str]] = Counter()
        scheduled: Counter[tuple[str, str]] = Counter()
        due_soon: Counter[tuple[str, str]] = Counter()
        for entry in self._entries.values():
            if entry.message is None:
                continue
            route = (entry.message.exchange, entry.message.routing_key)
            unacked[route] += 1
            if entry.message.times.is_ahead(now_s=now_s):
                scheduled[route] += 1
                due_soon[route] += not entry.message.times.is_ahead(now_s=now_s + horizon_s)
        return {
            route: HeldCount(unacked=count, scheduled=scheduled[route], due_soon=due_soon[route])
            for route, count in unacked.items()
        }

    def _scale(self) -> float:
        """How many messages each one that was read stands for. What is too large to be read is
        nobody's share."""
        read = too_large = 0
        for one in self._entries.values():
            read += one.is_read
            too_large += one.size_bytes is not None and one.size_bytes > READ_BYTES
        return max(1.0, (self._total - too_large) / read) if read else 1.0

    def _windows(self) -> int:
        return max(1, min(WINDOWS, -(-self._total // LISTED)))


def build_table(members: Iterable[bytes]) -> BindingTable:
    """A table of the members of an exchange's set. What is not a binding is left out."""
    by_key: dict[str, set[str]] = defaultdict(set)
    by_pattern: dict[str, set[str]] = defaultdict(set)
    for member in members:
        try:
            routing_key, pattern, queue = redis_keys.parse_binding(member.decode())
        except ValueError:
            continue
        (by_pattern[pattern] if pattern else by_key[routing_key]).add(queue)
    return BindingTable(
        by_key={key: frozenset(queues) for key, queues in by_key.items()},
        by_pattern={pattern: frozenset(queues) for pattern, queues in by_pattern.items()},
    )


def destinations(routing_key: str, table: BindingTable | None) -> frozenset[str]:
    """The queues that a message went to; as kombu looks them up. The default exchange has no table:
    its routing keys are the names of queues."""
    if table is None:
        return frozenset({routing_key})
    patterns = (
        queues for pattern, queues in table.by_pattern.items() if _matches(pattern, routing_key)
    )
    return frozenset().union(table.by_key.get(routing_key, frozenset()), *patterns)


def _matches(pattern: str, routing_key: str) -> bool:
    try:
        return re.match(pattern, routing_key) is not None
    except re.error:
        return False
