"""What is read from a broker: frozen values. `None` is "not known", never zero.

A moment `…_at_s` is in seconds since the epoch by the clock of the reader, also where the worker
has sent a time of its own: clocks of other machines are not trusted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NewType

from app.queues import QueueName

NodeName = NewType("NodeName", str)
"""A Celery worker's node name, `celery@host`."""


def host_of(node: NodeName) -> str:
    """The part after the `@` (the pod's name, where the worker runs in a pod)."""
    return node.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReading:
    """What one queue holds, over all of its priority steps."""

    name: QueueName
    ready: int
    """Messages that no worker has fetched."""
    ready_scheduled: int | None = None
    """Of the ready ones, those with an ETA in the future; estimated from a few of a longer list."""
    ready_due_soon: int | None = None
    """Of these, those due within the horizon of the reader."""
    unacked: int | None = None
    """Fetched and not acknowledged: running (with acks_late), prefetched, and ETA tasks."""
    scheduled: int | None = None
    """Of the unacked ones, those with an ETA in the future."""
    due_soon: int | None = None
    """Of the scheduled ones, those due within the horizon of the reader."""
    oldest_age_s: float | None = None
    """How long the oldest ready message has waited. One with an ETA waits from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisnamedQueue:
    """A queue that an application has declared under another name than it is looked for."""

    queue: QueueName
    prefix: str
    """The key prefix (`global_keyprefix`) of that application."""
    separator: str | None = None
    """Its separator of priorities (`sep`); `None` where it cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The last heartbeat of a worker (`worker-heartbeat` event), as received."""

    node: NodeName
    active: int
    """Tasks that it runs."""
    processed: int
    """Tasks that it has accepted since it started; completed = processed - active."""
    seen_at_s: float
    first_seen_at_s: float | None = None
    """When it was heard for the first time."""
    online_at_s: float | None = None
    """When it last said that it has connected, if it was heard doing so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Where workers of a broker were found, other than where they are expected."""

    events: Mapping[NodeName, str] = field(default_factory=dict)
    """How the way of a worker's heartbeats differs, in the words of `spec.broker`."""
    control: Mapping[NodeName, str] = field(default_factory=dict)
    """The same for commands to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTrouble:
    """A worker sends heartbeats and has given no usable answer several times in a row."""

    unreadable: str | None = None
    """Why its answers cannot be read; `None` where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerReading:
    """All that one round trip tells of a broker."""

    read_at_s: float
    queues: Mapping[QueueName, QueueReading]
    """One entry for each queue that was asked for, also for those without a key."""
    misnamed: tuple[MisnamedQueue, ...] = ()
    """Queues that an application has declared, and only under another name than is looked for."""
    heartbeats: Mapping[NodeName, Heartbeat] = field(default_factory=dict)
    """The last one of each worker, also when it is old; workers that said goodbye are gone."""
    listening_since_s: float | None = None
    """Since when heartbeats are received without a gap. A silent worker is unknown before that."""
    troubles: Mapping[NodeName, ControlTrouble] = field(default_factory=dict)
    """Workers that cannot be talked to, as far as it was tried."""
    unreadable_events: str | None = None
    """Why worker events that come in cannot be read."""
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    """Workers that this broker has under other names than expected, as far as it was surveyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumedQueue:
    """A queue as the worker that consumes it has declared it; `None` where that is not known."""

    name: QueueName
    exchange: str | None = None
    exchange_type: str | None = None
    routing_key: str | None = None
    alias: QueueName | None = None
    """The name that `--queues` selects it by, where that is another one (`Broadcast`)."""
    is_private: bool = False
    """Only this worker can run what arrives there: its own copy of a broadcast, or its
    `worker_direct` queue."""

    def has_name(self, names: Collection[QueueName]) -> bool:
        """Whether one of these names means this queue."""
        return self.name in names or self.alias in names


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConsumers:
    """What a worker consumes at this moment."""

    node: NodeName
    seen_at_s: float
    queues: frozenset[ConsumedQueue]
    began_at_s: float | None = None
    """When its process started, to the second."""
    slots: int | None = None
    """Tasks that it can run at once: its concurrency, or the maximum of its autoscaler."""

    @property
    def shared(self) -> frozenset[ConsumedQueue]:
        """Without the queues that it shares with no other worker."""
        return frozenset(queue for queue in self.queues if not queue.is_private)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """What a worker itself says when it is asked (remote control, to this node alone)."""

    node: NodeName
    answered_at_s: float
    active: int
    reserved: int
    """Held and not running, without the ETA tasks (those return to the queue when it stops).
    Counted only where nothing runs: a worker sends its tasks' arguments with them."""
    queues: frozenset[QueueName]
    """The queues that it consumes together with other workers; empty after `stop_consuming`."""
    private_queues: frozenset[QueueName] = frozenset()
    """The queues that it alone consumes. They are never stopped."""
    private_messages: int = 0
    """Messages of those queues that are not acknowledged: they wait, wait for their ETA, or run."""
