"""Limits of each owner of jobs and data."""

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from app.settings.group import Group


def _is_number(value: object) -> object:
    if isinstance(value, str | bool):
        raise ValueError("must be a number")
    return value


_NUMBER = BeforeValidator(_is_number)
MOST = 10**15
Count = Annotated[int, Field(ge=0, le=MOST), _NUMBER]


class OwnerLimits(BaseModel):
    """What an owner may use. A limit that is null does not apply."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight: Annotated[float, Field(ge=0.01, le=1000), _NUMBER] = Field(
        1.0,
        description="Share of each queue relative to that of other owners (fair shares).",
    )
    requests_per_minute: Count | None = Field(None, description="Requests to the API.")
    unfinished_jobs: Count | None = Field(
        None, description="Jobs that are queued or running at the same time."
    )
    running_jobs: Annotated[int, Field(ge=1, le=MOST), _NUMBER] | None = Field(
        None,
        description="Jobs that run at the same time, in all queues together (fair shares). Others "
        "wait.",
    )
    stored_bytes: Count | None = Field(None, description="Bytes of uploads and artifacts.")
    llm_tokens_per_day: Count | None = Field(
        None, description="Input and output tokens of language models."
    )
    recipients_per_day: Count | None = Field(
        None, description="Addresses of mail and webhooks that jobs name."
    )


class OwnerLimitSettings(Group):
    """The limits of owners that have none of their own."""

    defaults: Annotated[OwnerLimits, NoDecode] = Field(
        OwnerLimits(),
        validation_alias="CELERIAC_OWNER_LIMITS",
        description="Limits of each owner, as a JSON object of `requests_per_minute`, "
        "`unfinished_jobs`, `running_jobs`, `stored_bytes`, "
        "`llm_tokens_per_day`, `recipients_per_day` and `weight`. What is left out is not limited.",
    )

    @field_validator("defaults", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is not a JSON object: {error}") from error
