"""What the messages that no worker has fetched say of themselves, from a few of each list."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.broker.queues import message_times
from app.broker.queues.message_times import MessageTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyList:
    """The messages of one queue and priority step."""

    count: int
    sample: tuple[MessageTimes, ...]
    """Of the messages that were read; none where they may be too large."""

    def ahead(self, *, now_s: float) -> int | None:
        """How many have an ETA after `now_s`. Rounded down: what is due must not be missed."""
        if not self.sample:
            return None
        ahead = sum(one.is_ahead(now_s=now_s) for one in self.sample)
        return self.count * ahead // len(self.sample)

    def oldest_age_s(self, *, now_s: float) -> float | None:
        """How long the oldest one that was read has waited. Before its ETA a message waits for
        its time and not for a worker."""
        due = (one.waiting_since_s() for one in self.sample if not one.is_ahead(now_s=now_s))
        since_s = min((moment for moment in due if moment is not None), default=None)
        return max(0.0, now_s - since_s) if since_s is not None else None


def parse_lists(answer: Sequence[int | Sequence[bytes]]) -> tuple[int, tuple[ReadyList, ...]]:
    """What `ready.lua` returns of one queue: its length, and its lists that are not empty."""
    length, *rest = answer
    lists = tuple(
        ReadyList(count=count, sample=tuple(map(message_times.parse_ready, messages)))
        for count, messages in zip(rest[::2], rest[1::2], strict=True)
        if isinstance(count, int) and not isinstance(messages, int)
    )
    return (length if isinstance(length, int) else 0), lists


def ahead(lists: Iterable[ReadyList], *, now_s: float) -> int | None:
    """How many messages have an ETA after `now_s`, as far as is known; `None` if nothing is."""
    parts = [one.ahead(now_s=now_s) for one in lists]
    known = [part for part in parts if part is not None]
    return sum(known) if known or not parts else None


def oldest_age_s(lists: Iterable[ReadyList], *, now_s: float) -> float | None:
    """How long the oldest message has waited that says when it was published."""
    ages = (one.oldest_age_s(now_s=now_s) for one in lists)
    return max((age for age in ages if age is not None), default=None)
