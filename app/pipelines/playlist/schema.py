"""Parameters of a playlist job, and the results of its stages."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.pipelines.parameters import NOT_TEXT, Flag, WebAddress
from app.pipelines.youtube.schema import VideoOptions

ENTRY_LIMIT = 10_000


class FanOutOptions(VideoOptions):
    """Options for the jobs of a listing's entries."""

    skip_archived: Flag | None = Field(
        None,
        description="Skip videos that were processed before with the same options. Default: the "
        "server's setting.",
    )


class PlaylistParams(FanOutOptions):
    """The listing of videos to process."""

    url: WebAddress = Field(description="A playlist, a channel, or a feed of pages with videos.")
    limit: Annotated[int, Field(ge=1, le=ENTRY_LIMIT), NOT_TEXT] | None = Field(
        None,
        description="Maximum number of entries, from the first. Default: the server's setting.",
    )


class SkippedVideo(BaseModel):
    """An entry that was skipped because its video was processed before."""

    model_config = ConfigDict(frozen=True)

    url: str
    video_id: str
    job_id: str | None


class Refused(BaseModel):
    """An entry whose URL cannot be processed."""

    model_config = ConfigDict(frozen=True)

    title: str | None
    reason: str


class FannedOut(BaseModel):
    """Result of the first stage: a job for each entry."""

    model_config = ConfigDict(frozen=True)

    title: str | None
    url: str
    entries: int
    """Entries of the listing."""
    duplicates: int
    """Entries that repeat an earlier one."""
    submitted: tuple[str, ...]
    """The jobs, in the listing's order."""
    skipped: tuple[SkippedVideo, ...]
    refused: tuple[Refused, ...]


class EntryFailure(BaseModel):
    """An entry whose job failed."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    url: str
    type: str
    message: str


class PlaylistResult(FannedOut):
    """The job's result."""

    succeeded: int
    failed: int
    cancelled: int
    failures: tuple[EntryFailure, ...]
