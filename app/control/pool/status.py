"""What a pool reports: the values behind its status, its conditions and its events."""

from dataclasses import dataclass
from enum import StrEnum

from app.queues import QueueName


class ConditionType(StrEnum):
    """The conditions of a pool, in the order they are shown."""

    READY = "Ready"
    """The pool is reconciled: its spec is in force and nothing is wrong."""
    ACTIVE = "Active"
    """There is work: something waits or runs."""
    ABLE_TO_SCALE = "AbleToScale"
    SCALING_LIMITED = "ScalingLimited"
    """Demand asks for more or less than the bounds allow."""
    METRICS_AVAILABLE = "MetricsAvailable"
    """The queues are read."""
    WORKERS_HEALTHY = "WorkersHealthy"
    """Workers are heard, and do what the spec says of them."""
    FALLBACK = "Fallback"
    PAUSED = "Paused"
    DRAINING = "Draining"


class PoolState(StrEnum):
    """A closed set, in the order of precedence: the first that holds is the state."""

    INVALID = "Invalid"
    """The spec or an annotation cannot be used."""
    OFF = "Off"
    NO_TARGET = "NoTarget"
    """The target does not exist, or has no `/scale`."""
    CONTESTED = "Contested"
    """Another pool or an autoscaler scales the target."""
    REFUSED = "Refused"
    """The API server refuses to read or scale the target."""
    DRY_RUN = "DryRun"
    FIXED = "Fixed"
    """`spec.replicas` or the annotation `paused-replicas` sets the size."""
    PAUSED = "Paused"
    """An annotation keeps the size, or keeps it from growing or shrinking."""
    FALLBACK = "Fallback"
    """The queues cannot be read, and `spec.fallback` sets the size."""
    BLIND = "Blind"
    """The queues cannot be read, and the size is kept."""
    UNHEALTHY = "Unhealthy"
    """Workers do not do what the spec says of them."""
    UNKNOWN = "Unknown"
    """Nothing was decided yet."""
    DRAINING = "Draining"
    """Replicas finish their tasks before they go."""
    AT_MAXIMUM = "AtMaximum"
    """The queues need more replicas than maxReplicas."""
    AT_MINIMUM = "AtMinimum"
    """The queues need fewer replicas than minReplicas."""
    IDLE = "Idle"
    """Nothing waits and nothing runs."""
    FOLLOWING = "Following"
    """The size is what the queues need."""


class ConditionStatus(StrEnum):
    """Kubernetes' three-valued truth."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition. `reason` is a CamelCase word for programs, `message` a sentence."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    last_transition_at_s: float
    """When `status` last changed, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """What one queue of the pool holds; `None` where it is not known."""

    name: QueueName
    ready: int
    unacked: int | None
    scheduled: int | None
    oldest_age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """The whole status of a pool at one tick; `None` where it is not known."""

    observed_generation: int
    state: PoolState
    mode: str
    pool_queues: tuple[str, ...]
    """As the spec names them, also where they could not be read."""
    min_replicas: int | None
    max_replicas: int | None
    """The bounds in force, by a schedule if one is open."""
    replicas: int | None
    """What the target is set to."""
    ready_replicas: int | None
    desired_replicas: int | None
    """What the pool should have by the last decision, also while replicas are drained."""
    draining_replicas: int | None
    selector: str
    """The pods of the target, as `/scale` wants it: a serialized label selector."""
    last_scale_at_s: float | None
    queues: tuple[QueueStatus, ...]
    backlog: int | None
    """Ready messages over all queues."""
    held: int | None
    """Messages that workers hold and do not run: prefetched, or with an ETA."""
    active_tasks: int | None
    """Tasks that run, also on replicas that drain or end."""
    arrival_rate: float | None
    """Messages a second."""
    mean_runtime_s: float | None
    queue_wait_s: float | None
    """Age of the oldest ready message."""
    slots_per_replica: int | None
    explanation: tuple[str, ...]
    """Why this size: a sentence for each rule that had a say, in order."""
    conditions: tuple[Condition, ...]


class EventType(StrEnum):
    """Kubernetes' two kinds of event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvent:
    """Something happened that the pool's owner wants to read about once."""

    type: EventType
    reason: str
    message: str
    at_s: float
