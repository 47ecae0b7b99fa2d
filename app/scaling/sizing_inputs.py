"""What the owner of a pool wants: the numbers that every decision is bound to.

Vocabulary and meaning of `Behavior` are those of the HorizontalPodAutoscaler, `autoscaling/v2`.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class SelectPolicy(StrEnum):
    """Which of several policies counts."""

    MAX = "Max"
    """The one that allows the largest change."""
    MIN = "Min"
    DISABLED = "Disabled"
    """No change in this direction."""


class PolicyType(StrEnum):
    """What the value of a policy is counted in."""

    PODS = "Pods"
    PERCENT = "Percent"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePolicy:
    """At most `value` replicas (or percent of them) within `period_s`."""

    type: PolicyType
    value: int
    period_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRules:
    """How fast a pool may change in one direction. No policies: as fast as it likes."""

    stabilization_window_s: float = 0.0
    select_policy: SelectPolicy = SelectPolicy.MAX
    policies: tuple[RatePolicy, ...] = ()
    tolerance_ratio: float = 0.0
    """A demand this close to what there is (0.1 = 10 %) changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """How fast a pool may grow and shrink."""

    scale_up: ScalingRules = field(default_factory=ScalingRules)
    scale_down: ScalingRules = field(
        default_factory=lambda: ScalingRules(stabilization_window_s=30.0, tolerance_ratio=0.1)
    )
    """A tenth of the HPA's window: a drain can be undone, so shrinking in error costs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWait:
    """A message should not wait for longer than this."""

    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogPerReplica:
    """A replica for each so many messages, waiting or running."""

    messages: int


SizingTarget = QueueWait | BacklogPerReplica


class FallbackBehavior(StrEnum):
    """What a pool does once its broker could not be read for a while."""

    STATIC = "static"
    CURRENT_REPLICAS = "currentReplicas"
    CURRENT_REPLICAS_IF_HIGHER = "currentReplicasIfHigher"
    CURRENT_REPLICAS_IF_LOWER = "currentReplicasIfLower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """After `failure_threshold` failed readings in a row; before that the pool is held."""

    failure_threshold: int = 3
    behavior: FallbackBehavior = FallbackBehavior.CURRENT_REPLICAS
    replicas: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What was set by hand. It takes precedence over any reading."""

    is_paused: bool = False
    replicas: int | None = None
    """A fixed size. May lie outside of minimum and maximum, as `kubectl scale` may."""
    is_shrinking_paused: bool = False
    is_growing_paused: bool = False
    is_activated: bool = False
    """Never at zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPolicy:
    """All that binds the size of one pool, at one moment (schedules are resolved)."""

    min_replicas: int = 0
    max_replicas: int = 10
    slots_per_replica: int | None = None
    """Tasks that a replica runs at once; `None`: what its workers say, 1 until they do."""
    target: SizingTarget = field(default_factory=lambda: QueueWait(wait_s=30.0))
    activation_depth: int = 0
    """A pool at zero stays there until more than this many messages wait."""
    cooldown_s: float = 60.0
    """How long a pool without any work keeps its last replica."""
    behavior: Behavior = field(default_factory=Behavior)
    fallback: Fallback | None = None
    """Without one the size is kept for as long as nothing can be read."""
    override: Override = field(default_factory=Override)
    schedules: tuple[str, ...] = ()
    """Names of the schedules that are in force and have set minimum and maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """One worker's last heartbeat."""

    node: str
    active: int
    processed: int
    """Tasks accepted since it started; those minus `active` have ended."""
    seen_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReading:
    """The inputs of one decision."""

    replicas: int
    """Replicas that take work, or will once they have started. Draining ones do not count."""
    ready: int | None
    """Messages that no worker has fetched, over all queues and priorities; `None`: no answer."""
    ready_scheduled: int = 0
    """Of the ready ones, those with an ETA in the future, as far as they were read."""
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
