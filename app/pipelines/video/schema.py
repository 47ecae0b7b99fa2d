"""Parameters and result of a video job."""

from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)


def _as_text(given: object) -> object:
    """Accept ids as whole numbers too; in JSON, 7.0 is one."""
    if isinstance(given, float):
        if not given.is_integer():
            raise ValueError("must be text or a whole number")
        return str(int(given))
    is_number = isinstance(given, int) and not isinstance(given, bool)
    return str(given) if is_number else given


def _or_number(pattern: str, **limits: int) -> WithJsonSchema:
    number = {"type": "integer", **limits}
    return WithJsonSchema({"anyOf": [{"type": "string", "pattern": pattern}, number]})


PubmedId = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(strip_whitespace=True, pattern=r"^[1-9][0-9]{0,9}$"),
    _or_number(r"^\s*[1-9][0-9]{0,9}\s*$", minimum=1, maximum=9_999_999_999),
]

Id = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$"),
    _or_number(r"^\s*[A-Za-z0-9][A-Za-z0-9._:-]{0,199}\s*$", minimum=0),
]
"""Passed to other programs, so its characters are restricted."""


class VideoParams(BaseModel):
    """The article to make a video of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pubmed_id: PubmedId = Field(description="PubMed id of the article.")
    video_id: Id | None = Field(None, description="Id of the video. Default: the id of the job.")


class Made(BaseModel):
    """The job's result."""

    model_config = ConfigDict(frozen=True)

    video_id: str
    pubmed_id: str
    title: str | None
    """Null if an external command does not report it."""
    video_url: str | None
    """Path of the video at the API; null without a job."""
    artifact: str
    captions: str | None
    """Name of the captions (WebVTT) among the artifacts."""
    duration_seconds: float | None
    size_bytes: int
    sha256: str
    scenes: int | None
    has_narration: bool | None
    made_by: str
    """`built-in` or `command`."""
