"""Pools published where others can read them: one key in the broker's own database.

A loop without a Kubernetes API publishes its pools here; the API and the command line read them. A
loop that has ended publishes no more, and its key expires.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.control.pool.status import PoolStatus
from app.errors import InvalidInput

KEY = "celeriac:pools"
LIFETIME_S = 15
"""Longer than a few missed publications."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSnapshot:
    """What a loop has published last."""

    posted_at_s: float
    """In seconds since the epoch. An unchanged snapshot is not published again."""
    pools: Mapping[str, PoolStatus]
    """By the pool's name."""


_SNAPSHOT = TypeAdapter(PoolSnapshot)


def dump_snapshot(snapshot: PoolSnapshot) -> str:
    """The value of the key, with our own field names and exact figures."""
    return json.dumps(_SNAPSHOT.dump_python(snapshot))


def parse_snapshot(text: bytes | str) -> PoolSnapshot:
    """The published pools.

    Raises:
        InvalidInput: another version has published them.
    """
    try:
        return _SNAPSHOT.validate_json(text)
    except ValidationError as exc:
        raise InvalidInput(f"{KEY} holds something that this version does not read") from exc


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ConditionView(_View):
    """One condition of a pool."""

    type: str
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="For programs.")
    message: str = Field(description="For people.")


class PoolView(_View):
    """A worker pool at its last reconcile. Null means unknown, not zero."""

    name: str
    state: str = Field(description="What determines the size now.")
    mode: str = Field(description="Auto, DryRun or Off.")
    replicas: int | None = Field(description="Number of workers that is set.")
    ready_replicas: int | None
    desired_replicas: int | None = Field(
        description="Number of workers by the last decision, also while draining."
    )
    draining_replicas: int | None
    backlog: int | None = Field(description="Ready messages in all of its queues.")
    active_tasks: int | None
    arrival_rate: float | None = Field(description="Messages per second.")
    mean_runtime_seconds: float | None = Field(validation_alias="mean_runtime_s")
    queue_wait_seconds: float | None = Field(
        validation_alias="queue_wait_s", description="Age of the oldest ready message."
    )
    explanation: tuple[str, ...] = Field(
        description="The rules that determined the size, in order."
    )
    conditions: tuple[ConditionView, ...]

    @classmethod
    def of(cls, name: str, status: PoolStatus) -> Self:
        return cls.model_validate({**dict(status), "name": name})
