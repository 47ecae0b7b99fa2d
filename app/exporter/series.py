"""What has series: label values of any text, the queues that are in use, the hosts of workers."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.broker import model
from app.broker.model import Heartbeat, NodeName
from app.queues import QueueName

FORGOTTEN_S = 600.0
"""A queue or a host loses its series this long after its last use or heartbeat."""
LABEL_LIMIT = 200
"""Characters of a value. Names of tasks, queues and hosts are shorter."""
_MARK_LENGTH = 8


def label_value(text: str) -> str:
    r"""A printable text of at most `LABEL_LIMIT` characters.

    A text that is changed ends in a digest, so that different names stay different.

    >>> label_value("größe")
    'größe'
    >>> label_value("half \ud800")
    'half \\ud800~711a43f0'
    """
    shown = text[: LABEL_LIMIT + 1]
    if not shown.isprintable():
        shown = "".join(map(_printable, shown))
    if shown == text and len(text) <= LABEL_LIMIT:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_LENGTH]
    return f"{shown[: LABEL_LIMIT - _MARK_LENGTH - 1]}~{mark}"


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


QUEUE_LIMIT = 1_000
"""Queues with series."""
NAME_LIMIT = 1_000
"""Characters of a name that is looked up in the broker."""

_OF_ONE_WORKER = re.compile(r"\.dq2?$|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""`worker_direct` queues, and those of `Broadcast`, which hold a UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    at_s: float
    is_certain: bool
    """It has messages or a consumer. Otherwise only an event names it."""


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
        """Note that a queue is used. At the limit it replaces another one."""
        queue = QueueName(name)
        if queue in self._named or not 0 < len(name) <= NAME_LIMIT:
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


SILENT_S = 60.0
"""Heartbeats come every 2 s; a worker that is silent for this long is not up."""
HOST_LIMIT = 5_000
"""Hosts with series; those that were silent for the longest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The workers of one host, which in a cluster is one pod."""

    active: int
    """Tasks that they run."""
    is_up: bool
    seen_at_s: float


def hosts_after(
    before: Mapping[str, Host], heartbeats: Mapping[NodeName, Heartbeat], *, now_s: float
) -> dict[str, Host]:
    """The hosts that have series now: those with recent heartbeats, and for a while former ones."""
    found = {
        name: Host(active=0, is_up=False, seen_at_s=host.seen_at_s)
        for name, host in before.items()
        if now_s - host.seen_at_s < FORGOTTEN_S
    }
    for node, heartbeat in heartbeats.items():
        if now_s - heartbeat.seen_at_s < SILENT_S:
            name = model.host_of(node)
            other = found.get(name)
            others = other.active if other is not None and other.is_up else 0
            found[name] = Host(
                active=heartbeat.active + others, is_up=True, seen_at_s=heartbeat.seen_at_s
            )
    by_age = sorted(found.items(), key=lambda each: each[1].seen_at_s, reverse=True)
    return dict(by_age[:HOST_LIMIT])
