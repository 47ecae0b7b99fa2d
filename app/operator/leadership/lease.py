"""The Lease that allows an operator to act on a namespace: the next step, and its patches. Pure.

The algorithm is that of Kubernetes' own components. Times in a Lease are never compared with the
clock of this machine: a Lease expires when *we* have seen it unchanged for its duration.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Document = dict[str, Any]  # JSON as the API server sends it

NAME = "celeriac-operator"
"""The same for every installation, so that all operators of a namespace share it."""
DURATION_S = 15
RENEW_DEADLINE_S = 10.0
"""A holder that could not renew it for this long stops, before another one may start."""
LAST_DURATION_S = 30
"""The duration after `--release`: no operator acts while the last one is uninstalled."""
RETRY_S = 2.0
STANDBY_RETRY_S = 1.0
"""A released Lease is taken within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedLease:
    """A Lease as it was last read."""

    holder: str
    version: str
    """The object's resourceVersion."""
    renewed: str
    """The time that its holder wrote, only compared with itself."""
    duration_s: float
    transitions: int
    since_s: float
    """When this state was first seen, by our own monotonic clock."""


class LeaseStep(StrEnum):
    """The next step for a Lease."""

    CREATE = "create"
    RENEW = "renew"
    TAKE = "take"
    WAIT = "wait"


def observed(before: ObservedLease | None, document: Document, *, now_s: float) -> ObservedLease:
    """Read a Lease; one that has not been renewed keeps the time at which it was first seen."""
    spec, meta = document.get("spec") or {}, document["metadata"]
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    is_same = before is not None and (before.holder, before.renewed) == (holder, renewed)
    return ObservedLease(
        holder=holder,
        version=meta["resourceVersion"],
        renewed=renewed,
        duration_s=float(spec.get("leaseDurationSeconds") or DURATION_S),
        transitions=spec.get("leaseTransitions") or 0,
        since_s=before.since_s if before is not None and is_same else now_s,
    )


def step(
    found: ObservedLease | None, *, me: str, now_s: float, takes_over: bool = False
) -> LeaseStep:
    """The next step. `found` is `None` if there is no Lease; `takes_over` ignores the holder."""
    if found is None:
        return LeaseStep.CREATE
    if found.holder == me:
        return LeaseStep.RENEW
    if takes_over or not found.holder or now_s - found.since_s > found.duration_s:
        return LeaseStep.TAKE
    return LeaseStep.WAIT


def created(*, me: str, now: datetime, duration_s: int = DURATION_S) -> Document:
    """A new Lease of this process."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME},
        "spec": _spec(me, now, transitions=0, duration_s=duration_s)
        | {"acquireTime": _rfc3339(now)},
    }


def renewal(
    found: ObservedLease, *, me: str, now: datetime, duration_s: int = DURATION_S
) -> Document:
    """A merge patch that renews or takes a Lease, unless it has changed since it was read."""
    is_ours = found.holder == me
    transitions = found.transitions if is_ours else found.transitions + 1
    spec = _spec(me, now, transitions=transitions, duration_s=duration_s)
    if not is_ours:
        spec["acquireTime"] = _rfc3339(now)
    return {"metadata": {"resourceVersion": found.version}, "spec": spec}


def release(found: ObservedLease, *, now: datetime) -> Document:
    """A merge patch that releases a Lease, so that a successor can take it at once."""
    spec = _spec("", now, transitions=found.transitions, duration_s=1)
    return {"metadata": {"resourceVersion": found.version}, "spec": spec}


def _spec(holder: str, now: datetime, *, transitions: int, duration_s: int) -> Document:
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": duration_s,
        "renewTime": _rfc3339(now),
        "leaseTransitions": transitions,
    }


def _rfc3339(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
