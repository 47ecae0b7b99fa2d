"""Parameters and result of a youtube job."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.pipelines.parameters import Flag, WebAddress

LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$")]

Languages = Annotated[
    tuple[LanguageTag, ...],
    Field(
        max_length=20,
        description="Languages of captions, by preference. Then follow those of the server, the "
        "spoken language, English, any other.",
    ),
]


class VideoOptions(BaseModel):
    """What to extract from videos."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extract_frames: Flag = Field(
        default=False, description="Store a picture of the beginning and of each scene change."
    )
    prefer_captions: Flag = Field(
        default=True,
        description="Recognise speech only without captions; false: use captions only if speech "
        "cannot be recognised.",
    )
    languages: Languages = ()


class YoutubeParams(VideoOptions):
    """The video, and what to extract from it."""

    url: WebAddress = Field(description="A page with a video, or a video file.")


class Segment(BaseModel):
    """Spoken text with its times."""

    model_config = ConfigDict(frozen=True)

    start_s: float
    end_s: float
    text: str

    def __repr__(self) -> str:
        return f"Segment(start_s={self.start_s}, end_s={self.end_s}, text={self.text!r})"


class Origin(StrEnum):
    """Origin of a transcript."""

    MANUAL_CAPTIONS = "manual_captions"
    AUTOMATIC_CAPTIONS = "automatic_captions"
    SPEECH = "speech"
    """Recognised from the sound by us."""


class Transcript(BaseModel):
    """The transcript of a video."""

    model_config = ConfigDict(frozen=True)

    origin: Origin
    language: str
    engine: str | None = None
    """The engine that recognised the speech."""
    text: str
    segments: tuple[Segment, ...]


class Chapter(BaseModel):
    """A chapter of a video."""

    model_config = ConfigDict(frozen=True)

    start_s: float
    end_s: float | None = None
    title: str


class VideoFrame(BaseModel):
    """A frame of a video."""

    model_config = ConfigDict(frozen=True)

    time_s: float
    change: float
    """Change of the picture, from 0 to 1."""
    artifact: str
    """Name of the artifact."""


class Metadata(BaseModel):
    """Metadata from the page. Null means unknown."""

    model_config = ConfigDict(frozen=True)

    video_id: str
    """Constant for a video of a site."""
    site: str
    """yt-dlp's name of the site; `generic` for an unknown one."""
    url: str
    """Canonical URL of the page."""
    title: str | None
    uploader: str | None
    duration_s: float | None
    upload_date: str | None
    """`YYYY-MM-DD`."""
    description: str | None
    tags: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    thumbnail_url: str | None


class YoutubeResult(Metadata):
    """The job's result."""

    transcript: Transcript
    frames: tuple[VideoFrame, ...]
