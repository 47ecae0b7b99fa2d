"""What one tick knows of one pool. `None` is "not known", never zero."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """One worker's last heartbeat."""

    node: str
    active: int
    processed: int
    """Tasks accepted since it started; those minus `active` have ended."""
    seen_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The inputs of one decision."""

    replicas: int
    """Replicas that take work, or will once they have started. Draining ones do not count."""
    ready: int | None
    """Messages that no worker has fetched, over all queues and priorities; `None`: no answer."""
    ready_scheduled: int = 0
    """Of the ready ones, those with an ETA in the future, as far as they were looked at."""
    ready_due_soon: int = 0
    """Of these, those whose time is about to come."""
    unacked: int | None = None
    """Fetched and not acknowledged: running, prefetched, and ETA tasks."""
    scheduled: int | None = None
    """Of the unacked ones, those with an ETA in the future."""
    due_soon: int | None = None
    """Of the scheduled ones, those whose time is about to come."""
    active: int | None = None
    """Tasks that run, also on draining replicas: those may be woken and keep theirs."""
    draining: int = 0
    """Replicas that are being drained: they take no work."""
    oldest_age_s: float | None = None
    """How long the oldest ready message has waited."""
    slots_per_replica: int | None = None
    """What the workers say; the policy's own figure comes first."""
    nodes: tuple[NodeSample, ...] = ()
    """Heartbeats of the pool's workers, for rates and run times."""

    @property
    def ready_later(self) -> int:
        """Ready messages whose time has not come, nor is about to."""
        return max(0, min(self.ready_scheduled - self.ready_due_soon, self.ready or 0))
