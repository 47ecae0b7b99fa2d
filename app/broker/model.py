"""Values that are read from a broker. `None` means "not known", never zero.

A time `…_at_s` is in seconds since the epoch by the clock of the reader, even where the worker has
sent one: clocks of other machines are not trusted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NewType

from app.queues import QueueName

NodeName = NewType("NodeName", str)
"""A Celery worker's node name, `celery@host`."""


def host_of(node: NodeName) -> str:
    """The part after the `@`, which is the name of the pod if the worker runs in one."""
    return node.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReading:
    """The messages of one queue, over all of its priority steps."""

    name: QueueName
    ready: int
    """Messages that no worker has fetched."""
    ready_scheduled: int | None = None
    """Ready messages with an ETA in the future, estimated from a sample of a longer list."""
    ready_due_soon: int | None = None
    """Those of `ready_scheduled` that are due within the horizon of the reader."""
    unacked: int | None = None
    """Messages that are fetched and not acknowledged: running (with acks_late), prefetched, ETA."""
    scheduled: int | None = None
    """Unacked messages with an ETA in the future."""
    due_soon: int | None = None
    """Those of `scheduled` that are due within the horizon of the reader."""
    oldest_age_s: float | None = None
    """How long the oldest ready message has waited, from its ETA on if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisnamedQueue:
    """A queue that an application has declared under a name that the pool does not expect."""

    queue: QueueName
    prefix: str
    """The key prefix (`global_keyprefix`) of that application."""
    separator: str | None = None
    """Its separator of priorities (`sep`); `None` if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The last heartbeat of a worker (`worker-heartbeat` event), as received."""

    node: NodeName
    active: int
    """Running tasks."""
    processed: int
    """Tasks accepted since the start; completed = processed - active."""
    seen_at_s: float
    first_seen_at_s: float | None = None
    """When its first heartbeat was received."""
    online_at_s: float | None = None
    """When its last `worker-online` event was received, if any was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Workers of a broker that were found under other names than expected."""

    events: Mapping[NodeName, str] = field(default_factory=dict)
    """How the channel of a worker's heartbeats differs, as fields of `spec.broker`."""
    control: Mapping[NodeName, str] = field(default_factory=dict)
    """The same for the channel of commands to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTrouble:
    """A worker that sends heartbeats and has repeatedly not answered, or not legibly."""

    unreadable: str | None = None
    """Why its answers cannot be read; `None` if there were none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerReading:
    """The result of one round trip to a broker."""

    read_at_s: float
    queues: Mapping[QueueName, QueueReading]
    """One entry for each requested queue, even if it has no key."""
    misnamed: tuple[MisnamedQueue, ...] = ()
    """Queues that are declared under unexpected names only."""
    heartbeats: Mapping[NodeName, Heartbeat] = field(default_factory=dict)
    """The last one of each worker, however old, without workers that went offline."""
    listening_since_s: float | None = None
    """Since when heartbeats are received without a gap. Before that, silence means nothing."""
    troubles: Mapping[NodeName, ControlTrouble] = field(default_factory=dict)
    """Workers that do not answer remote control, as far as it was tried."""
    unreadable_events: str | None = None
    """Why received worker events cannot be read."""
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    """Workers under other names than expected, as far as the broker was surveyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumedQueue:
    """A queue as the worker that consumes it has declared it; `None` means "not known"."""

    name: QueueName
    exchange: str | None = None
    exchange_type: str | None = None
    routing_key: str | None = None
    alias: QueueName | None = None
    """The name that `--queues` selects it by, if it differs (`Broadcast`)."""
    is_private: bool = False
    """Whether only this worker receives its messages: its copy of a broadcast, or its
    `worker_direct` queue."""

    def has_name(self, names: Collection[QueueName]) -> bool:
        """Whether one of the names is this queue's name or alias."""
        return self.name in names or self.alias in names


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConsumers:
    """The queues that a worker consumes now."""

    node: NodeName
    seen_at_s: float
    queues: frozenset[ConsumedQueue]
    began_at_s: float | None = None
    """When its process started, precise to the second."""
    slots: int | None = None
    """Tasks that it can run at once: its concurrency, or the maximum of its autoscaler."""
    processes: int | None = None
    """The processes of its pool now: they differ from `slots` once it was told to grow or to
    shrink, and for a moment when one is replaced. `None` for pools without processes."""

    @property
    def shared(self) -> frozenset[ConsumedQueue]:
        """The queues that it shares with other workers."""
        return frozenset(queue for queue in self.queues if not queue.is_private)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """A worker's own answer to remote control."""

    node: NodeName
    answered_at_s: float
    active: int
    reserved: int
    """Prefetched tasks, without ETA tasks (those return to the queue when the worker stops).
    Counted only when nothing runs, since the reply contains the arguments of every task."""
    queues: frozenset[QueueName]
    """The shared queues that it consumes; empty after `stop_consuming`."""
    private_queues: frozenset[QueueName] = frozenset()
    """The queues that only this worker consumes. They are never stopped."""
    private_messages: int = 0
    """Messages of the private queues that are not acknowledged: waiting, scheduled or running."""
