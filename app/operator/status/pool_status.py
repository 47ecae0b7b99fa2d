"""The `status` of a WorkerPool, as the API server stores it: one model for the CRD and the writer.

Moments are RFC 3339 in UTC, durations seconds. What is not known is absent, never zero.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from app.control.pool.status import Condition, ConditionStatus, PoolState, PoolStatus, QueueStatus

QUEUES_WIDTH = 20
"""Characters for the names of queues in their column; the queues beyond are counted."""
MESSAGE_LIMIT = 1024
"""Characters of a condition's message or an explanation; the API's own convention is 32768."""


def moment(at_s: float) -> datetime:
    """Seconds since the epoch, as the API server keeps them: whole seconds in UTC."""
    return datetime.fromtimestamp(int(at_s), tz=UTC)


def rfc3339(at: datetime) -> str:
    """`2026-03-01T12:00:00Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


class QueueState(_Part):
    """Messages of one queue, over all its priority steps."""

    name: str = Field(description="Name of the queue.")
    ready: Count = Field(description="Messages that wait for a worker.")
    unacked: Count | None = Field(
        None, description="Messages that a worker holds: running or prefetched."
    )
    scheduled: Count | None = Field(None, description="Messages with an ETA or countdown to come.")
    oldest_age_seconds: float | None = Field(
        None, description="How long the oldest ready message has waited."
    )

    @classmethod
    def of(cls, queue: QueueStatus) -> Self:
        return cls(
            name=queue.name,
            ready=queue.ready,
            unacked=queue.unacked,
            scheduled=queue.scheduled,
            oldest_age_seconds=_rounded(queue.oldest_age_s, digits=1),
        )


class ConditionState(_Part):
    """One condition, as `metav1.Condition` has it."""

    type: str = Field(max_length=316, description="Type of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="Why, in one CamelCase word.")
    message: str = Field(max_length=32768, description="Why, and what can be done about it.")
    last_transition_time: Moment = Field(description="When the status last changed.")
    observed_generation: Count = Field(0, description="The generation that this describes.")

    @classmethod
    def of(cls, condition: Condition, *, generation: int) -> Self:
        return cls(
            type=condition.type,
            status=condition.status,
            reason=condition.reason,
            message=condition.message[:MESSAGE_LIMIT],
            last_transition_time=moment(condition.last_transition_at_s),
            observed_generation=generation,
        )


class ColumnTexts(_Part):
    """Texts of the columns that `kubectl get` shows."""

    state: str | None = Field(None, description="The state, with the number of drains.")
    queues: str | None = Field(None, description="The queues, as far as there is room.")
    backlog: str | None = Field(
        None, description="Messages that wait, +those that workers hold and do not run."
    )
    wait: str | None = Field(None, description="How long the oldest ready message has waited.")

    @classmethod
    def of(cls, status: PoolStatus) -> Self:
        return cls(
            state=state_column(status),
            queues=queues_column(status.pool_queues) or None,
            backlog=backlog_column(status),
            wait=wait_column(status.queue_wait_s),
        )


class WorkerPoolStatus(_Part):
    """What the operator has observed of a pool, and what it has decided."""

    observed_generation: Count = Field(0, description="The generation that this describes.")
    state: PoolState | None = Field(None, description="What sets the size now, in one word.")
    columns: ColumnTexts | None = Field(None, description="Texts for the columns of kubectl get.")
    mode: str | None = Field(None, description="The mode in force.")
    replicas: Count | None = Field(None, description="Replicas that the target is set to.")
    ready_replicas: Count | None = Field(None, description="Replicas that are ready.")
    desired_replicas: Count | None = Field(
        None, description="Replicas that the pool should have, also while others are drained."
    )
    draining_replicas: Count | None = Field(
        None, description="Replicas that finish their tasks and take no new ones."
    )
    selector: str | None = Field(None, description="Label selector of the pods, for /scale.")
    last_scale_time: Moment | None = Field(None, description="When the target was last scaled.")
    min_replicas: Count | None = Field(None, description="The minimum in force.")
    max_replicas: Count | None = Field(None, description="The maximum in force.")
    backlog: Count | None = Field(None, description="Messages that wait, over all queues.")
    held: Count | None = Field(
        None, description="Messages that workers hold and do not run: prefetched, or with an ETA."
    )
    active_tasks: Count | None = Field(
        None, description="Tasks that run, also on replicas that drain or end."
    )
    arrival_rate: float | None = Field(None, description="New messages a second.")
    mean_runtime_seconds: float | None = Field(None, description="How long a task runs.")
    queue_wait_seconds: float | None = Field(
        None, description="How long the oldest ready message has waited."
    )
    slots_per_replica: Count | None = Field(None, description="Tasks that a replica runs at once.")
    queues: tuple[QueueState, ...] = Field((), description="Messages of each queue.")
    explanation: tuple[str, ...] = Field((), description="Why this size, rule by rule.")
    conditions: tuple[ConditionState, ...] = Field((), description="Conditions of the pool.")

    @classmethod
    def of(cls, status: PoolStatus) -> Self:
        generation = status.observed_generation
        scaled_at_s = status.last_scale_at_s
        return cls(
            observed_generation=generation,
            state=status.state,
            columns=ColumnTexts.of(status),
            mode=status.mode,
            replicas=status.replicas,
            ready_replicas=status.ready_replicas,
            desired_replicas=status.desired_replicas,
            draining_replicas=status.draining_replicas,
            selector=status.selector,
            last_scale_time=moment(scaled_at_s) if scaled_at_s is not None else None,
            min_replicas=status.min_replicas,
            max_replicas=status.max_replicas,
            backlog=status.backlog,
            held=status.held,
            active_tasks=status.active_tasks,
            arrival_rate=_rounded(status.arrival_rate, digits=3),
            mean_runtime_seconds=_rounded(status.mean_runtime_s, digits=3),
            queue_wait_seconds=_rounded(status.queue_wait_s, digits=1),
            slots_per_replica=status.slots_per_replica,
            queues=tuple(QueueState.of(queue) for queue in status.queues),
            explanation=tuple(line[:MESSAGE_LIMIT] for line in status.explanation),
            conditions=tuple(
                ConditionState.of(condition, generation=generation)
                for condition in status.conditions
            ),
        )

    def continuing(self, earlier: "WorkerPoolStatus") -> "WorkerPoolStatus":
        """This status as the successor of one that another process has written.

        A condition that has not changed keeps its moment, and so does the last scaling.
        """
        known = {condition.type: condition for condition in earlier.conditions}
        return self.model_copy(
            update={
                "conditions": tuple(
                    _continued(new, known.get(new.type)) for new in self.conditions
                ),
                "last_scale_time": self.last_scale_time or earlier.last_scale_time,
            }
        )

    def merge_patch(self) -> dict[str, Any]:
        """The whole status as a JSON merge patch (RFC 7386): `null` removes what is not known."""
        document = self.model_dump(mode="json", by_alias=True)
        for queue in document["queues"]:
            for key in [key for key, value in queue.items() if value is None]:
                del queue[key]
        return {"status": document}


def parse_status(document: Mapping[str, Any]) -> WorkerPoolStatus:
    """Read a status that this or an earlier version has written; an unreadable one is empty."""
    try:
        return WorkerPoolStatus.model_validate(document)
    except ValueError:
        return WorkerPoolStatus()


def _continued(new: ConditionState, old: ConditionState | None) -> ConditionState:
    if old is None or old.status is not new.status:
        return new
    return new.model_copy(update={"last_transition_time": old.last_transition_time})


def _rounded(value: float | None, *, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def state_column(status: PoolStatus) -> str:
    """`Following`, or `Draining 2`."""
    if status.state is PoolState.DRAINING:
        return f"{status.state} {status.draining_replicas}"
    return status.state


def queues_column(names: Sequence[str]) -> str:
    """
    >>> queues_column(["orders", "invoices"])
    'orders,invoices'
    >>> queues_column(["documents-large", "documents-small", "mail"])
    'documents-large,+2'
    """
    shown = ",".join(names[:1])
    for count, name in enumerate(names[1:], start=1):
        if len(f"{shown},{name}") > QUEUES_WIDTH:
            return f"{shown},+{len(names) - count}"
        shown = f"{shown},{name}"
    return shown


def backlog_column(status: PoolStatus) -> str | None:
    """`12`, or `12+3` if workers hold three more that they do not run."""
    if status.backlog is None:
        return None
    return f"{status.backlog}+{status.held}" if status.held else str(status.backlog)


def wait_column(seconds: float | None) -> str | None:
    """
    >>> [wait_column(each) for each in (0.0, 4.26, 119.9, 121, 7300, 90000)]
    ['0s', '4s', '119s', '2m', '2h', '25h']
    """
    if seconds is None:
        return None
    for limit, unit_s, unit in ((120, 1, "s"), (7200, 60, "m")):
        if seconds < limit:
            return f"{int(seconds // unit_s)}{unit}"
    return f"{int(seconds // 3600)}h"
