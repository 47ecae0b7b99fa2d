"""The `spec` of a WorkerPool, as YAML has it: one model for the CRD, the operator and local pools.

Field names are camelCase outside and snake_case inside. Every rule between fields stands in a
validator here and as a CEL rule in the CRD; a test holds the two against each other.
"""

from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import Field, StringConstraints, model_validator

from app.control.pool.references import BrokerSpec, ScaleTargetRef, SpecPart, Text
from app.scaling.sizing_inputs import FallbackBehavior, PolicyType, SelectPolicy

GROUP = "celeriac.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "WorkerPool"
PLURAL = "workerpools"
SHORT_NAME = "wp"

INT32_MAX = 2**31 - 1
"""Kubernetes counts replicas, seconds and the like in 32 bits."""

Cron = Annotated[str, StringConstraints(min_length=9, max_length=128)]


class Mode(StrEnum):
    """What the loop may do with a pool."""

    AUTO = "Auto"
    DRY_RUN = "DryRun"
    """Decide and report, write nothing to the target."""
    OFF = "Off"
    """Report what is there, decide nothing."""


class DrainPolicy(StrEnum):
    """How replicas are taken away."""

    IDLE_FIRST = "IdleFirst"
    NONE = "None"
    """Patch the scale and let the workers' own SIGTERM handling do the rest."""


class DrainTimeout(StrEnum):
    """What becomes of a replica that is still busy when its drain has timed out."""

    WAIT = "Wait"
    """It goes on until its task has ended: no running task is ever ended."""
    RETIRE = "Retire"
    """It gets SIGTERM, and its grace period to end."""


class TargetSpec(SpecPart):
    """What the pool is sized for: exactly one of the two."""

    queue_wait_seconds: float | None = Field(
        None, gt=0, description="How long a message may wait before the pool is too small."
    )
    backlog_per_replica: int | None = Field(
        None, ge=1, le=INT32_MAX, description="Messages, waiting or running, for each replica."
    )

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.queue_wait_seconds is None) == (self.backlog_per_replica is None):
            raise ValueError("set exactly one of queueWaitSeconds and backlogPerReplica")
        return self


class PolicySpec(SpecPart):
    """At most this much change within a period."""

    type: PolicyType = Field(description="What the value counts: Pods, or Percent of the pods.")
    value: int = Field(
        gt=0, le=INT32_MAX, description="The change that is allowed within the period."
    )
    period_seconds: int = Field(gt=0, le=1800, description="The period, in seconds.")


class RulesSpec(SpecPart):
    """How fast the pool may change in one direction."""

    stabilization_window_seconds: int | None = Field(
        None,
        ge=0,
        le=3600,
        description="Act on the most careful recommendation of this window. "
        "Default: 0 for scaleUp, 30 for scaleDown.",
    )
    select_policy: SelectPolicy = Field(
        SelectPolicy.MAX, description="Which policy counts: Max, Min, or Disabled for no change."
    )
    policies: tuple[PolicySpec, ...] = Field(
        (), max_length=16, description="Limits on the speed. Without any, there is no limit."
    )
    tolerance: float | None = Field(
        None,
        ge=0,
        le=1,
        description="A need within this ratio of the current size changes nothing (0.1 = 10 %). "
        "Default: 0 for scaleUp, 0.1 for scaleDown.",
    )


class BehaviorSpec(SpecPart):
    """How fast the pool may grow and shrink; the vocabulary of autoscaling/v2."""

    scale_up: RulesSpec = Field(default_factory=RulesSpec, description="Growing.")
    scale_down: RulesSpec = Field(default_factory=RulesSpec, description="Shrinking.")


class ScheduleSpec(SpecPart):
    """Other bounds while a window is open. A window opens and closes by cron, in local time."""

    name: Text = Field(description="Name of the window, shown where it takes effect.")
    timezone: Text = Field("UTC", description="IANA time zone that start and end are read in.")
    start: Cron = Field(description="Cron expression (5 fields) that opens the window.")
    end: Cron = Field(description="Cron expression (5 fields) that closes the window.")
    min_replicas: int | None = Field(
        None, ge=0, le=INT32_MAX, description="Lower bound while the window is open."
    )
    max_replicas: int | None = Field(
        None, ge=0, le=INT32_MAX, description="Upper bound while the window is open."
    )

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_replicas is None and self.max_replicas is None:
            raise ValueError("a schedule sets minReplicas, maxReplicas or both")
        return self

    @model_validator(mode="after")
    def _zone(self) -> Self:
        if self.timezone not in available_timezones():
            raise ValueError(f"{self.timezone!r} is not an IANA time zone (such as Europe/Berlin)")
        return self


class FallbackSpec(SpecPart):
    """The size while the broker does not answer for long. Without it the size is kept."""

    failure_threshold: int = Field(
        3,
        ge=1,
        le=INT32_MAX,
        description="Failed readings in a row after which the fallback is in force.",
    )
    behavior: FallbackBehavior = Field(
        FallbackBehavior.CURRENT_REPLICAS,
        description="static, currentReplicas, currentReplicasIfHigher or currentReplicasIfLower.",
    )
    replicas: int | None = Field(
        None, ge=0, le=INT32_MAX, description="Replicas for every behavior but currentReplicas."
    )

    @model_validator(mode="after")
    def _needs_replicas(self) -> Self:
        holds = self.behavior is FallbackBehavior.CURRENT_REPLICAS
        if self.replicas is None and not holds:
            raise ValueError(f"fallback.behavior {self.behavior} needs fallback.replicas")
        return self


class DrainSpec(SpecPart):
    """How replicas are taken away without ending a running task."""

    policy: DrainPolicy = Field(
        DrainPolicy.IDLE_FIRST,
        description="IdleFirst stops consumers, waits for idle replicas and removes only those. "
        "None patches the scale at once.",
    )
    timeout_seconds: int = Field(
        3600,
        ge=1,
        le=INT32_MAX,
        description="A drain that takes longer is reported, and ends as onTimeout says.",
    )
    on_timeout: DrainTimeout = Field(
        DrainTimeout.WAIT,
        description="Wait for the task to end, or Retire the replica within its grace period.",
    )


class WorkerPoolSpec(SpecPart):
    """The wanted state of a worker pool."""

    scale_target_ref: ScaleTargetRef = Field(description="What runs the workers of this pool.")
    broker: BrokerSpec = Field(default_factory=BrokerSpec, description="Where the queues are.")
    queues: tuple[Text, ...] = Field(
        min_length=1, max_length=64, description="The queues that the workers consume."
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=INT32_MAX,
        description="Tasks that a replica runs at once. If left out, the workers are asked.",
    )
    mode: Mode = Field(Mode.AUTO, description="Auto, DryRun (recommends in status) or Off.")
    replicas: int | None = Field(
        None,
        ge=0,
        le=INT32_MAX,
        description="A fixed size, as set by kubectl scale. Remove it to size by demand again.",
    )
    min_replicas: int = Field(0, ge=0, le=INT32_MAX, description="Never fewer replicas than this.")
    max_replicas: int = Field(10, ge=1, le=INT32_MAX, description="Never more replicas than this.")
    target: TargetSpec = Field(
        default_factory=lambda: TargetSpec(queue_wait_seconds=30.0, backlog_per_replica=None),
        description="What the pool is sized for.",
    )
    activation_threshold: int = Field(
        0,
        ge=0,
        le=INT32_MAX,
        description="A pool at zero starts when more messages than this wait.",
    )
    polling_interval_seconds: int = Field(
        2, ge=1, le=3600, description="How often the pool is evaluated, in seconds."
    )
    cooldown_period_seconds: int = Field(
        60,
        ge=0,
        le=INT32_MAX,
        description="How long a pool without work keeps its last replica, in seconds.",
    )
    behavior: BehaviorSpec = Field(
        default_factory=BehaviorSpec, description="How fast the pool may grow and shrink."
    )
    schedules: tuple[ScheduleSpec, ...] = Field(
        (), max_length=32, description="Other bounds while a schedule is open."
    )
    fallback: FallbackSpec | None = Field(
        None,
        description="The size while the broker does not answer. Without it the size is kept.",
    )
    drain: DrainSpec = Field(default_factory=DrainSpec, description="How replicas are taken away.")

    @model_validator(mode="after")
    def _ordered_bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not be above maxReplicas")
        for window in self.schedules:
            ceiling = self.max_replicas if window.max_replicas is None else window.max_replicas
            if window.min_replicas is not None and window.min_replicas > ceiling:
                raise ValueError(
                    f"schedule {window.name!r}: minReplicas must not be above maxReplicas"
                )
        return self

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len(set(self.queues)) != len(self.queues):
            raise ValueError("queues must not name a queue twice")
        names = [window.name for window in self.schedules]
        if len(set(names)) != len(names):
            raise ValueError("schedules must have different names")
        return self
