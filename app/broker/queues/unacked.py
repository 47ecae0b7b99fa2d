"""A cache of the messages that workers hold, by delivery tag.

A message never changes under its tag, so it is read once and cached as long as the broker lists the
tag. One observation reads a bounded number of messages and bytes, so the first complete view of a
broker takes several.
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
"""Tags that one observation lists: 1 ms of the server."""
WINDOWS = 5
"""With more tags than `LISTED`, observations cycle through at most this many windows, which are
spread evenly over all tags."""
MEASURED = 1_000
"""New messages whose size one observation reads: 1 ms of the server."""
READ_BYTES = 2 * 1024 * 1024
"""Bytes of messages that one observation reads. A larger message is never read: copying it would
block the server (112 MB: 150 ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTable:
    """The bindings of one exchange."""

    by_key: Mapping[str, frozenset[str]]
    by_pattern: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCount:
    """Messages of one queue that workers hold; estimates until every message is read."""

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
    """The last observation that listed the tag."""
    size_bytes: int | None = None
    message: HeldMessage | None = None
    is_read: bool = False


class UnackedCache:
    """Caches messages between observations. It does no I/O."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._observation = 0
        self._total = 0

    @property
    def is_complete(self) -> bool:
        """Whether every held message was read."""
        return sum(1 for one in self._entries.values() if one.is_read) >= self._total

    def window(self) -> tuple[int, int]:
        """The first and last rank to list next, in the index of tags."""
        windows = self._windows()
        start = self._total * (self._observation % windows) // windows if windows > 1 else 0
        return start, start + LISTED - 1

    def list_tags(self, tags: Sequence[bytes], *, total: int) -> None:
        """Add the tags of a window, and drop those that are gone."""
        self._observation += 1
        self._total = total
        for tag in tags:
            entry = self._entries.get(tag)
            if entry is None:
                self._entries[tag] = _Entry(listed_in=self._observation)
            else:
                entry.listed_in = self._observation
        # Ranks shift while messages come and go, so one round may miss a tag.
        oldest = self._observation - (0 if self._windows() == 1 else self._windows())
        self._entries = {tag: one for tag, one in self._entries.items() if one.listed_in >= oldest}

    def unmeasured(self) -> list[bytes]:
        """The tags whose size to read next."""
        new = (tag for tag, one in self._entries.items() if one.size_bytes is None)
        return list(islice(new, MEASURED))

    def measure(self, tags: Iterable[bytes], sizes: Iterable[int]) -> None:
        """Add sizes; 0 is a message that is gone."""
        for tag, size_bytes in zip(tags, sizes, strict=True):
            if size_bytes == 0:
                del self._entries[tag]
            else:
                self._entries[tag].size_bytes = size_bytes

    def unread(self) -> list[bytes]:
        """The tags whose messages to read next, within the bounds."""
        # Tags are random, so the first ones in their order are a fair sample.
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
        """Add messages; `None` is one that is gone."""
        for tag, value in zip(tags, values, strict=True):
            if value is None:
                del self._entries[tag]
            else:
                entry = self._entries[tag]
                entry.message, entry.is_read = samples.parse_held(value), True

    def exchanges(self) -> frozenset[str]:
        """The exchanges of the messages, without the default one."""
        found = {one.message.exchange for one in self._entries.values() if one.message is not None}
        return frozenset(found - {""})

    def counts(
        self, tables: Mapping[str, BindingTable], *, now_s: float, horizon_s: float
    ) -> dict[str, HeldCount]:
        """The counts of held messages by queue."""
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
        """How many messages each read message represents. Those too large to be read do not
        count."""
        read = too_large = 0
        for one in self._entries.values():
            read += one.is_read
            too_large += one.size_bytes is not None and one.size_bytes > READ_BYTES
        return max(1.0, (self._total - too_large) / read) if read else 1.0

    def _windows(self) -> int:
        return max(1, min(WINDOWS, -(-self._total // LISTED)))


def build_table(members: Iterable[bytes]) -> BindingTable:
    """Parse the members of an exchange's set. Those that are not bindings are left out."""
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
    """The queues that a message was routed to, by kombu's rules. The default exchange has no table:
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
