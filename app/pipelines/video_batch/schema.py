"""Parameters and result of a video-batch job."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.pipelines.media.schema import WebAddress
from app.pipelines.youtube.schema import Origin

Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

VIDEO_LIMIT = 100
"""Videos of one batch: one task works through them within its queue's time limit."""


class VideoBatchParams(BaseModel):
    """The videos and their bot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_id: Id = Field(description="The bot to add the videos to.")
    video_urls: tuple[WebAddress, ...] = Field(
        min_length=1, max_length=VIDEO_LIMIT, description="Pages with one video each."
    )


class BatchVideoStatus(StrEnum):
    """How it went with one video."""

    READY = "ready"
    FAILED = "failed"


class VideoError(BaseModel):
    """Why a video could not be worked on."""

    model_config = ConfigDict(frozen=True)

    type: str
    message: str
    retryable: bool


class Video(BaseModel):
    """What became of one video. It fails alone."""

    model_config = ConfigDict(frozen=True)

    url: str
    status: BatchVideoStatus
    source_id: str | None = None
    """Under which the bot knows it; the same each time for the same bot and page."""
    video_id: str | None = None
    """The same each time for the same video of the same site."""
    title: str | None = None
    language: str | None = None
    origin: Origin | None = None
    is_automatic: bool | None = None
    """Whether a machine recognised what is said."""
    chunks: int = 0
    characters: int = 0
    error: VideoError | None = None


class VideoBatch(BaseModel):
    """The job's result: every video in the order asked for."""

    model_config = ConfigDict(frozen=True)

    bot_id: str
    ready: int
    failed: int
    videos: tuple[Video, ...]
