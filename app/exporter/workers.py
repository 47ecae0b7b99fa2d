"""The hosts that workers were heard from."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.broker import model
from app.broker.model import Heartbeat, NodeName

SILENT_S = 60.0
"""Heartbeats come every 2 s; a worker that is silent for this long is not up."""
FORGOTTEN_S = 600.0
"""So long after its last heartbeat a host has series."""
HOST_LIMIT = 5_000
"""Hosts with series; those that were silent for the longest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The workers of one host, which in a cluster is one pod."""

    active: int
    """Tasks that they run."""
    is_up: bool
    heard_at_s: float


def hosts_after(
    before: Mapping[str, Host], heartbeats: Mapping[NodeName, Heartbeat], *, now_s: float
) -> dict[str, Host]:
    """The hosts that have series now: those that are heard, and for a while those that were."""
    found = {
        name: Host(active=0, is_up=False, heard_at_s=host.heard_at_s)
        for name, host in before.items()
        if now_s - host.heard_at_s < FORGOTTEN_S
    }
    for node, heartbeat in heartbeats.items():
        if now_s - heartbeat.seen_at_s < SILENT_S:
            name = model.host_of(node)
            other = found.get(name)
            others = other.active if other is not None and other.is_up else 0
            found[name] = Host(
                active=heartbeat.active + others, is_up=True, heard_at_s=heartbeat.seen_at_s
            )
    by_age = sorted(found.items(), key=lambda each: each[1].heard_at_s, reverse=True)
    return dict(by_age[:HOST_LIMIT])
