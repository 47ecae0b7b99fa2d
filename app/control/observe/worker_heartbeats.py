"""Heartbeats sorted by who sent them, and what is heard of one replica."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from app.broker import model
from app.broker.model import BrokerReading, Heartbeat, NodeName
from app.control.ports import Instance

SILENT_S = 30.0
"""Heartbeats come every 2 s. Without one for this long, nothing is known of a worker: it may be
gone, or busy in a pool that cannot send any while it works."""
FORGOTTEN_S = 600.0
"""A node that is silent for this long is no part of a replica that another node speaks for."""
LISTENED_S = 6.0
"""A worker that lives has been heard after listening for this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """The heartbeats of one broker, at one tick."""

    by_node: Mapping[NodeName, Heartbeat]
    by_host: Mapping[str, tuple[Heartbeat, ...]]
    since_s: float | None
    """Since when there is no gap; silence says nothing before that."""

    def of(self, instance: Instance) -> tuple[Heartbeat, ...]:
        """The last heartbeats of the workers of this replica, old ones included."""
        if instance.nodes:
            return tuple(self.by_node[node] for node in instance.nodes if node in self.by_node)
        return self.by_host.get(instance.host, ()) if instance.host is not None else ()

    def awake_nodes(self, instance: Instance, *, now_s: float) -> tuple[NodeName, ...]:
        """The workers of this replica that are heard now."""
        return tuple(one.node for one in self.of(instance) if now_s - one.seen_at_s <= SILENT_S)

    def is_reliable(self, *, now_s: float) -> bool:
        """Whether every worker that lives has had its chance to be heard."""
        return self.since_s is not None and now_s - self.since_s >= LISTENED_S


def build_hearing(reading: BrokerReading) -> Hearing:
    """Sort heartbeats by node and by host."""
    by_host: dict[str, list[Heartbeat]] = defaultdict(list)
    for node, heartbeat in reading.heartbeats.items():
        by_host[model.host_of(node)].append(heartbeat)
    return Hearing(
        by_node=reading.heartbeats,
        by_host={host: tuple(found) for host, found in by_host.items()},
        since_s=reading.listening_since_s,
    )


NOTHING_HEARD = Hearing(by_node={}, by_host={}, since_s=None)


def current(heartbeats: tuple[Heartbeat, ...], *, now_s: float) -> tuple[Heartbeat, ...]:
    """Without nodes of the past, where another node of the same replica speaks now."""
    if all(now_s - one.seen_at_s > SILENT_S for one in heartbeats):
        return heartbeats
    return tuple(one for one in heartbeats if now_s - one.seen_at_s <= FORGOTTEN_S)


def active(heartbeats: tuple[Heartbeat, ...], *, now_s: float) -> int | None:
    """Tasks that a replica runs; `None` when it, or one of its workers, is not heard."""
    if not heartbeats or any(now_s - one.seen_at_s > SILENT_S for one in heartbeats):
        return None
    return sum(one.active for one in heartbeats)
