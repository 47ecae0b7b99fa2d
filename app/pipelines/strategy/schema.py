"""Parameters and result of a strategy job."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.pipelines.parameters import Id, exactly_one_of

ModelName = Id

LONGEST_CONTENT = 10_000_000
"""Upper limit, whatever CELERIAC_LLM_CONTENT_CHARACTERS allows."""


class StrategyParams(BaseModel):
    """The text to analyze: either `content` or `upload_id`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=exactly_one_of("content", "upload_id"),
    )

    content: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_CONTENT,
        pattern=r"\S",
        description="Text, such as a transcript, an article or notes.",
    )
    upload_id: Id | None = Field(
        None, description="Id of an uploaded text file, instead of `content`."
    )
    content_type: str = Field(
        "text",
        min_length=1,
        max_length=100,
        description="Kind of text, in a word or two, such as `transcript`, `article` or `pdf`.",
    )
    model: ModelName | None = Field(
        None, description="The model, such as `claude-sonnet-4`. Default: CELERIAC_LLM_MODEL."
    )

    @model_validator(mode="after")
    def _has_one_text(self) -> Self:
        if (self.content is None) == (self.upload_id is None):
            raise ValueError("set either content or upload_id")
        return self


class Direction(StrEnum):
    """The trades that a rule applies to."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"
    UNSPECIFIED = "unspecified"


class Quote(BaseModel):
    """A literal quote of the content."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: int
    """Offset in the content: `content[start:end]` is the text."""
    end: int


class StrategyFinding(BaseModel):
    """A statement of the content, with quotes as evidence."""

    model_config = ConfigDict(frozen=True)

    text: str
    direction: Direction
    evidence: tuple[Quote, ...]


class StrategyFindings(BaseModel):
    """The statements that make up a strategy."""

    model_config = ConfigDict(frozen=True)

    instruments: tuple[StrategyFinding, ...] = ()
    time_frames: tuple[StrategyFinding, ...] = ()
    entry_rules: tuple[StrategyFinding, ...] = ()
    exit_rules: tuple[StrategyFinding, ...] = ()
    risk_rules: tuple[StrategyFinding, ...] = ()


FIELDS = tuple(StrategyFindings.model_fields)


class Usage(BaseModel):
    """Requests and tokens over all pieces, repeated questions included."""

    model_config = ConfigDict(frozen=True)

    requests: int
    input_tokens: int
    output_tokens: int


class Strategy(StrategyFindings):
    """The job's result."""

    has_strategy: bool
    """Whether the content has any trading rule."""
    name: str | None
    summary: str
    unproven: int
    """Number of findings dropped because their quotes are not in the content."""
    pieces: int
    """Number of pieces that the content was split into."""
    content_type: str
    model: str
    """Provider and name of the model."""
    usage: Usage
    cost_usd: float | None
    """By the provider's list prices; null when they are unknown."""
