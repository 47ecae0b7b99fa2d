"""Limits, shutdown, liveness and logs of worker processes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from app.settings.group import MEBIBYTE, NONE_IF_EMPTY, Group


class SandboxMode(StrEnum):
    """Whether children that read untrusted files run in a sandbox of the kernel."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


class WorkerSettings(Group):
    """Limits, shutdown, liveness and logs of worker processes."""

    child_memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_CHILD_MEMORY_BYTES",
        gt=0,
        description="A child of a prefork pool that exceeds this is replaced after its task.",
    )
    soft_shutdown_s: float = Field(
        10.0,
        validation_alias="CELERIAC_SOFT_SHUTDOWN_S",
        ge=0,
        description="How long the tasks of a worker may continue after SIGQUIT, in seconds.",
    )
    eta_task_limit: int = Field(
        1000,
        validation_alias="CELERIAC_ETA_TASK_LIMIT",
        gt=0,
        description="Maximum number of plain tasks with an ETA in the memory of one worker. "
        "Jobs have none.",
    )
    time_limits: Annotated[dict[str, tuple[float, float]], NoDecode] = Field(
        {},
        validation_alias="CELERIAC_TIME_LIMITS",
        description="`queue=soft/hard`, separated by commas, in seconds: replaces the "
        "declared limits of a queue.",
    )
    liveness_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_LIVENESS_FILE",
        description="Touched every few seconds while the main loop of a worker, or of beat, runs.",
    )
    log_format: Annotated[Literal["json", "text"] | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="CELERIAC_LOG_FORMAT",
        description="Log format of workers and beat: `json`, as in the operator, or `text`. "
        "Default: Celery's own.",
    )

    sandbox: SandboxMode = Field(
        SandboxMode.AUTO,
        validation_alias="CELERIAC_SANDBOX",
        description="Sandbox of children that read untrusted files: `auto` uses what the kernel "
        "offers, `require` fails the job if something is missing, `off`.",
    )

    @field_validator("time_limits", mode="before")
    @classmethod
    def _parse_limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (entry.partition("=") for entry in value.split(",") if entry.strip())
        return {queue.strip(): tuple(limits.split("/")) for queue, _, limits in pairs}

    @field_validator("time_limits")
    @classmethod
    def _in_order(cls, value: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for queue, (soft_s, hard_s) in value.items():
            if not 0 < soft_s <= hard_s:
                raise ValueError(f"the soft limit of {queue!r} is above 0 and at most the hard one")
        return value
