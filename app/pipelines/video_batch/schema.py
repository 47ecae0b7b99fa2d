"""Parameters and result of a video-batch job."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from app.pipelines.parameters import Id, WebAddress
from app.pipelines.youtube.schema import Origin

VIDEO_LIMIT = 100
"""Maximum of videos: one task processes them within the time limit of its queue."""


class VideoBatchParams(BaseModel):
    """The videos and their bot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_id: Id = Field(description="The bot to add the videos to.")
    video_urls: tuple[WebAddress, ...] = Field(
        min_length=1, max_length=VIDEO_LIMIT, description="Pages with one video each."
    )


class BatchVideoStatus(StrEnum):
    """State of one video."""

    READY = "ready"
    FAILED = "failed"


class VideoError(BaseModel):
    """Why a video failed."""

    model_config = ConfigDict(frozen=True)

    type: str
    message: str
    retryable: bool


class Video(BaseModel):
    """Result of one video."""

    model_config = ConfigDict(frozen=True)

    url: str
    status: BatchVideoStatus
    source_id: str | None = None
    """Id of the source; constant for a bot and page."""
    video_id: str | None = None
    """Constant for a video of a site."""
    title: str | None = None
    language: str | None = None
    origin: Origin | None = None
    is_automatic: bool | None = None
    """Whether the captions were generated."""
    chunks: int = 0
    characters: int = 0
    error: VideoError | None = None


class VideoBatchResult(BaseModel):
    """The job's result: the videos in the requested order."""

    model_config = ConfigDict(frozen=True)

    bot_id: str
    ready: int
    failed: int
    videos: tuple[Video, ...]
