"""Bodies and queries of requests: validated here once, then passed on as our own values."""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.api import json_values, problem
from app.jobs.model.job import FollowUp, JobId, JobRequest, JobState, Json, JsonObject
from app.jobs.store.job_store import JobFilter
from app.pipelines.channel.schema import Query
from app.pipelines.parameters import NOT_TEXT, Id, WebAddress
from app.pipelines.playlist.schema import ENTRY_LIMIT
from app.pipelines.video.schema import Id as VideoId
from app.pipelines.video.schema import PubmedId
from app.pipelines.video_batch.schema import VIDEO_LIMIT
from app.queues import DEFAULT_PRIORITY, PRIORITIES

Params = TypeVar("Params", bound=BaseModel)

BATCH_LIMIT = 1000

MAX_ATTEMPTS_LIMIT = 100

LABEL_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$"

WITHOUT_NUL = r"^[^\x00]*$"
"""PostgreSQL cannot store NUL characters."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def _usable(moment: datetime) -> datetime:
    """In UTC, limited to the moments that job ids can hold."""
    return min(max(moment, EARLIEST), LATEST).astimezone(UTC)


def _written_out(given: object) -> object:
    """Refuse numbers of seconds, which pydantic would accept."""
    if not isinstance(given, str) or not _DATE.match(given):
        raise ValueError("must be a date and time in ISO 8601, like 2026-01-31T12:00:00Z")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_usable)]
Text = Annotated[str, StringConstraints(max_length=1024, pattern=WITHOUT_NUL)]
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
LabelValue = Annotated[str, StringConstraints(max_length=256, pattern=WITHOUT_NUL)]
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=32, json_schema_extra={"additionalProperties": False}),
]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$")]
"""Without surrounding spaces, which HTTP removes from headers."""


class RequestBody(BaseModel):
    """A JSON body. Refuses unknown fields, and values that cannot be stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_storable(cls, given: Json) -> Json:
        unfit = json_values.find_unfit(given)
        if unfit is not None:
            context = {"path": unfit.path, "reason": unfit.reason}
            raise PydanticCustomError(problem.UNFIT, "{reason}", context)
        return given


_TEXT, _NULL = {"type": "string"}, {"type": "null"}

_KIND_OR_TASK: dict[str, Any] = {  # Any: JSON schema
    "oneOf": [
        {"required": ["kind"], "properties": {"kind": _TEXT, "task": _NULL, "queue": _NULL}},
        {"required": ["task"], "properties": {"task": _TEXT, "kind": _NULL}},
    ]
}


class FollowUpBody(RequestBody):
    """What to run when a job has ended: another job, or a plain Celery task."""

    model_config = ConfigDict(json_schema_extra=_KIND_OR_TASK)

    kind: Annotated[Text, Field(min_length=1)] | None = Field(
        None,
        description="A kind of job. In its `params`, `{{result.title}}` is replaced by that value "
        "of the ended job.",
    )
    task: Annotated[Text, Field(min_length=1)] | None = Field(
        None,
        description="A Celery task that the server allows. It gets the job as its argument and "
        "`params` as keyword arguments.",
    )
    params: JsonObject = Field(default_factory=dict)
    queue: Annotated[Text, Field(min_length=1)] | None = Field(
        None, description="Queue of the task, if the server has no route for it."
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.kind is None) == (self.task is None):
            raise ValueError("set either kind or task")
        if self.kind is not None and self.queue is not None:
            raise ValueError("queue is for tasks only, a kind has its own queues")
        return self

    def follow_up(self) -> FollowUp:
        return FollowUp(kind=self.kind, task=self.task, params=self.params, queue=self.queue)


class JobOptions(RequestBody):
    """Options of a job of any kind."""

    priority: Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[-1]), NOT_TEXT] = Field(
        DEFAULT_PRIORITY, description="0 runs first, 9 last."
    )
    not_before: Moment | None = Field(None, description="Earliest start.")
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS_LIMIT), NOT_TEXT] | None = Field(
        None,
        description="Maximum runs of each stage. Default: the server's setting.",
    )
    labels: Labels = Field(default_factory=dict, description="Labels to find the job by.")
    webhook_url: WebAddress | None = Field(
        None, description="Receives a signed webhook when the job ends (Standard Webhooks)."
    )
    on_success: FollowUpBody | None = Field(None, description="What to run if the job succeeds.")
    on_failure: FollowUpBody | None = Field(None, description="What to run if the job fails.")

    def request(self, kind: str, params: BaseModel, *, idempotency_key: str | None) -> JobRequest:
        """The request to submit. The parameters include the current defaults, so a later version of
        the pipeline does not change the job."""
        return JobRequest(
            pipeline=kind,
            params=params.model_dump(mode="json"),
            priority=self.priority,
            not_before=self.not_before,
            max_attempts=self.max_attempts,
            idempotency_key=idempotency_key,
            labels=self.labels,
            webhook_url=str(self.webhook_url) if self.webhook_url is not None else None,
            on_success=self.on_success.follow_up() if self.on_success is not None else None,
            on_failure=self.on_failure.follow_up() if self.on_failure is not None else None,
        )


class Submission(JobOptions, Generic[Params]):
    """A job: its parameters and its options."""

    params: Params


class BatchItem(JobOptions):
    """One job of a batch."""

    kind: Text
    params: JsonObject = Field(description="Parameters, by the schema of the kind.")
    idempotency_key: IdempotencyKey | None = None


class BatchBody(RequestBody):
    """Jobs that are accepted together, or not at all."""

    jobs: Annotated[tuple[BatchItem, ...], Field(min_length=1, max_length=BATCH_LIMIT)]


def _no_flag(given: object) -> object:
    if isinstance(given, bool):
        raise ValueError("must be a number")
    return given


_WHOLE_AS_TEXT = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": ENTRY_LIMIT},
            {"type": "string", "pattern": "^([1-9][0-9]{0,3}|10000)$"},
        ]
    }
)

_FLAG_AS_TEXT = WithJsonSchema(
    {
        "anyOf": [
            {"type": "boolean"},
            {"type": "integer", "enum": [0, 1]},
            {
                "type": "string",
                "pattern": "^([01]|[Tt](rue)?|[Ff](alse)?|[Yy](es)?|[Nn]o?|on|off)$",
            },
        ]
    }
)
"""Forms have only text, and the clients of these routes write JSON alike."""


class OriginalBody(RequestBody):
    """A body of an original route. As before, unknown fields are ignored, and an id may be a
    number."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class VideoBatchBody(OriginalBody):
    """The body of `POST /process-videos`."""

    bot_id: Id
    video_urls: Annotated[tuple[WebAddress, ...], Field(min_length=1, max_length=VIDEO_LIMIT)]


class VideoOrderBody(OriginalBody):
    """The body of `POST /api/videos/generate`."""

    pubmed_id: PubmedId
    video_id: VideoId | None = None


class ScrapeBody(OriginalBody):
    """The body of `POST /scrape-youtube`."""

    query: Query
    limit: (
        Annotated[int, Field(ge=1, le=ENTRY_LIMIT), BeforeValidator(_no_flag), _WHOLE_AS_TEXT]
        | None
    ) = None
    extract_frames: Annotated[bool, _FLAG_AS_TEXT] = False
    prefer_captions: Annotated[bool, _FLAG_AS_TEXT] = True


PAGE_LIMIT = 200


LabelPair = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^=\x00]+=[^\x00]*$")]


class JobQuery(BaseModel):
    """Filters of `GET /jobs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: Text | None = Field(None, description="Only jobs of this kind.")
    state: frozenset[JobState] = Field(
        frozenset(), description="Only jobs in this state. Repeatable."
    )
    label: tuple[LabelPair, ...] = Field(
        (), description="Only jobs with this label, `key=value`. If repeated, with all of them."
    )
    parent: uuid.UUID | None = Field(None, description="Only children of this job.")
    created_after: Moment | None = Field(
        None, description="Only jobs created at this time or later."
    )
    created_before: Moment | None = Field(None, description="Only jobs created before this time.")
    cursor: uuid.UUID | None = Field(None, description="`next_cursor` of the previous page.")
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
