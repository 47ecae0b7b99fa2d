"""The status of a pool: one model for the loop, the CRD, the API and the status file.

Inside, moments and durations are seconds as floats. Its JSON by alias is what the API server
stores: camelCase names, RFC 3339 moments, rounded figures. What is not known is `None`, never zero.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

MESSAGE_LIMIT = 1024
"""Characters of a message that the API server gets; the API's own convention is 32768."""


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
    """Workers send heartbeats and do what the spec says."""
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
    """Workers do not do what the spec says."""
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


def parse_moment(value: object) -> object:
    """Seconds since the epoch, also from RFC 3339."""
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value


def rfc3339(at_s: float) -> str:
    """Whole seconds in UTC, as the API server keeps them.

    >>> rfc3339(1772366400.9)
    '2026-03-01T12:00:00Z'
    """
    return datetime.fromtimestamp(int(at_s), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(digits: int) -> PlainSerializer:
    return PlainSerializer(lambda value: round(value, digits), return_type=float, when_used="json")


Moment = Annotated[
    float,
    BeforeValidator(parse_moment),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Tenths = Annotated[float, _rounded(1)]
Thousandths = Annotated[float, _rounded(3)]
# The API server checks these limits. Our own figures are not refused because of them.
Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]
Text = Annotated[
    str,
    PlainSerializer(lambda text: text[:MESSAGE_LIMIT], return_type=str, when_used="json"),
]


def kubernetes_name(name: str) -> str:
    """
    >>> kubernetes_name("mean_runtime_s"), kubernetes_name("last_scale_at_s")
    ('meanRuntimeSeconds', 'lastScaleTime')
    """
    for unit, word in (("_at_s", "_time"), ("_s", "_seconds")):
        if name.endswith(unit):
            return to_camel(name.removesuffix(unit) + word)
    return to_camel(name)


class StatusPart(BaseModel):
    """What the models of a status have in common."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=kubernetes_name, populate_by_name=True
    )


class Condition(StatusPart):
    """One condition, as `metav1.Condition` has it."""

    type: Annotated[ConditionType, WithJsonSchema({"type": "string", "maxLength": 316})] = Field(
        description="Type of the condition."
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(
        description="Why, in one CamelCase word.", json_schema_extra={"maxLength": 1024}
    )
    message: Text = Field(
        description="Why, and what can be done about it.", json_schema_extra={"maxLength": 32768}
    )
    last_transition_at_s: Moment = Field(description="When the status last changed.")
    observed_generation: Count = Field(0, description="The generation that this describes.")


class QueueStatus(StatusPart):
    """Messages of one queue, over all its priority steps."""

    name: str = Field(description="Name of the queue.")
    ready: Count = Field(description="Messages that wait for a worker.")
    unacked: Count | None = Field(
        None, description="Messages that a worker holds: running or prefetched."
    )
    scheduled: Count | None = Field(None, description="Messages with an ETA or countdown to come.")
    oldest_age_s: Tenths | None = Field(
        None, description="How long the oldest ready message has waited."
    )


class PoolStatus(StatusPart):
    """The whole status of a pool at one tick."""

    observed_generation: Count = Field(0, description="The generation that this describes.")
    state: PoolState | None = Field(None, description="What sets the size now, in one word.")
    mode: str | None = Field(None, description="The mode in force.")
    pool_queues: SkipJsonSchema[tuple[str, ...]] = ()
    """As the spec names them, also where they could not be read. Not written to Kubernetes."""
    replicas: Count | None = Field(None, description="Replicas that the target is set to.")
    ready_replicas: Count | None = Field(None, description="Replicas that are ready.")
    desired_replicas: Count | None = Field(
        None, description="Replicas that the pool should have, also while others are drained."
    )
    draining_replicas: Count | None = Field(
        None, description="Replicas that finish their tasks and take no new ones."
    )
    selector: str | None = Field(None, description="Label selector of the pods, for /scale.")
    last_scale_at_s: Moment | None = Field(None, description="When the target was last scaled.")
    min_replicas: Count | None = Field(None, description="The minimum in force.")
    max_replicas: Count | None = Field(None, description="The maximum in force.")
    backlog: Count | None = Field(None, description="Messages that wait, over all queues.")
    held: Count | None = Field(
        None, description="Messages that workers hold and do not run: prefetched, or with an ETA."
    )
    active_tasks: Count | None = Field(
        None, description="Tasks that run, also on replicas that drain or end."
    )
    arrival_rate: Thousandths | None = Field(None, description="New messages a second.")
    mean_runtime_s: Thousandths | None = Field(None, description="How long a task runs.")
    queue_wait_s: Tenths | None = Field(
        None, description="How long the oldest ready message has waited."
    )
    slots_per_replica: Count | None = Field(None, description="Tasks that a replica runs at once.")
    queues: tuple[QueueStatus, ...] = Field((), description="Messages of each queue.")
    explanation: tuple[Text, ...] = Field((), description="Why this size, rule by rule.")
    conditions: tuple[Condition, ...] = Field((), description="Conditions of the pool.")


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
