"""The `status` of a WorkerPool in Kubernetes: `PoolStatus` with texts for `kubectl get`."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field

from app.control.pool.status import Condition, PoolState, PoolStatus, StatusPart

QUEUES_WIDTH = 20
"""Characters for the names of queues in their column; the queues beyond are counted."""


class ColumnTexts(StatusPart):
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


class WorkerPoolStatus(PoolStatus):
    """What the operator has observed of a pool, and what it has decided."""

    columns: ColumnTexts | None = Field(None, description="Texts for the columns of kubectl get.")

    @classmethod
    def of(cls, status: PoolStatus) -> Self:
        """As the API server stores it, so that what is read back is equal to it."""
        document = status.model_dump(mode="json", exclude={"pool_queues"})
        for condition in document["conditions"]:
            condition["observed_generation"] = status.observed_generation
        return cls.model_validate({**document, "columns": ColumnTexts.of(status)})

    def continuing(self, earlier: "WorkerPoolStatus") -> "WorkerPoolStatus":
        """This status as the successor of one that another process has written.

        A condition that has not changed keeps its transition time, and the last scaling stays.
        """
        known = {condition.type: condition for condition in earlier.conditions}
        return self.model_copy(
            update={
                "conditions": tuple(
                    _continued(new, known.get(new.type)) for new in self.conditions
                ),
                "last_scale_at_s": self.last_scale_at_s or earlier.last_scale_at_s,
            }
        )

    def merge_patch(self) -> dict[str, Any]:
        """The whole status as a JSON merge patch (RFC 7386): `null` removes what is not known."""
        document = self.model_dump(mode="json", by_alias=True, exclude={"pool_queues"})
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


def _continued(new: Condition, old: Condition | None) -> Condition:
    if old is None or old.status is not new.status:
        return new
    return new.model_copy(update={"last_transition_at_s": old.last_transition_at_s})


def state_column(status: PoolStatus) -> str:
    """`Following`, or `Draining 2`."""
    if status.state is PoolState.DRAINING:
        return f"{status.state} {status.draining_replicas}"
    return status.state or ""


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
