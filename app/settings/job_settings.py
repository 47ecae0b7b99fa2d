"""Leases, retries and events of jobs, schedules, and pipelines of other packages."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from app.settings.group import Group, Names


class JobSettings(Group):
    """Leases, retries and events of jobs."""

    lease_s: float = Field(
        30.0,
        validation_alias="CELERIAC_LEASE_S",
        gt=0,
        description="A worker that does not renew its lease for this long is presumed dead. "
        "Three missed renewals: long enough for a stalled disk, short enough to "
        "recover within a minute.",
    )
    max_attempts: int = Field(
        4,
        validation_alias="CELERIAC_MAX_ATTEMPTS",
        ge=1,
        description="Runs of a stage: one, and three retries.",
    )
    max_deliveries: int = Field(
        5,
        validation_alias="CELERIAC_MAX_DELIVERIES",
        ge=1,
        description="A stage whose worker died this many times is dead-lettered.",
    )
    retry_base_s: float = Field(
        60.0,
        validation_alias="CELERIAC_RETRY_BASE_S",
        description="Delay before the first retry, in seconds. It doubles with each retry.",
        ge=0,
    )
    retry_max_s: float = Field(
        3600.0,
        validation_alias="CELERIAC_RETRY_MAX_S",
        description="Maximum delay before a retry, in seconds.",
        ge=0,
    )
    fair_shares: bool = Field(
        default=False,
        validation_alias="CELERIAC_FAIR_SHARES",
        description="Whether the owners of jobs take turns in each queue, by weight. Set it to the "
        "same value in every process.",
    )
    reconcile_interval_s: float = Field(
        1.0,
        validation_alias="CELERIAC_RECONCILE_S",
        description="Pause between two rounds of the reconciler, in seconds.",
        gt=0,
    )
    publish_grace_s: float = Field(
        30.0,
        validation_alias="CELERIAC_PUBLISH_GRACE_S",
        gt=0,
        description="The reconciler checks queued jobs older than this, and publishes those "
        "again that Redis does not hold.",
    )
    events_expire_s: int = Field(
        24 * 3600,
        validation_alias="CELERIAC_EVENTS_EXPIRE_S",
        description="How long the events of a job are kept after the last one, in seconds.",
        gt=0,
    )
    events_length: int = Field(
        1000,
        validation_alias="CELERIAC_EVENTS_LENGTH",
        description="Maximum number of events kept per job.",
        gt=0,
    )


class ScheduleSetting(BaseModel):
    """One schedule of the setting. Fields that are left out keep the pipeline's values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str | None = None
    """The kind of job; needed for a schedule that no pipeline has."""
    params: dict[str, Any] | None = None  # as the schema of the kind says
    cron: str | None = None
    timezone: str | None = None


class ScheduleSettings(Group):
    """Jobs that start on a schedule."""

    schedules: Annotated[dict[str, ScheduleSetting | Literal["off"]], NoDecode] = Field(
        {},
        validation_alias="CELERIAC_SCHEDULES",
        description="A JSON object of schedules by name, each an object of `cron`, `timezone`, "
        '`params` and `kind`, or `"off"`: changes those of the pipelines and adds others.',
    )

    @field_validator("schedules", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str) or not value.strip():
            return value or {}
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is not a JSON object: {error}") from error


class PipelineSettings(Group):
    """Pipelines from outside the package."""

    modules: Names = Field(
        (),
        validation_alias="CELERIAC_PIPELINES",
        description="Modules, separated by commas, whose `PIPELINE` joins the registry.",
    )
