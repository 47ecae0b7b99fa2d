"""What a client may ask a listing for."""

import uuid
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.bodies import Moment, Text
from app.jobs.model.job import JobId, JobState
from app.jobs.store.job_store import JobFilter

PAGE_LIMIT = 200


LabelPair = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^=\x00]+=[^\x00]*$")]


class JobQuery(BaseModel):
    """Filters of `GET /jobs`. What is not given does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: Text | None = Field(None, description="Only jobs of this kind.")
    state: frozenset[JobState] = Field(frozenset(), description="Repeat it for several.")
    label: tuple[LabelPair, ...] = Field((), description="`key=value`; repeated, all must hold.")
    parent: uuid.UUID | None = Field(None, description="Only children of this job.")
    created_after: Moment | None = Field(None, description="Created at this moment or later.")
    created_before: Moment | None = None
    cursor: uuid.UUID | None = Field(None, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)

    @property
    def filter(self) -> JobFilter:
        return JobFilter(
            pipeline=self.pipeline,
            states=self.state,
            parent_id=_job_id(self.parent),
            labels=dict(_split(pair) for pair in self.label),
            created_from=self.created_after,
            created_before=self.created_before,
        )

    @property
    def after(self) -> JobId | None:
        return _job_id(self.cursor)


def _job_id(given: uuid.UUID | None) -> JobId | None:
    return None if given is None else JobId(str(given))


def _split(pair: str) -> tuple[str, str]:
    key, _, value = pair.partition("=")
    return key, value
