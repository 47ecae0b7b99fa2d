"""Parameters and result of a youtube job."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.pipelines.media.schema import WebAddress

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

    extract_frames: bool = Field(
        default=False, description="Store a picture of the beginning and of each scene change."
    )
    prefer_captions: bool = Field(
        default=True,
        description="Recognise speech only without captions; false: use captions only if speech "
        "cannot be recognised.",
    )
    languages: Languages = ()


class YoutubeParams(VideoOptions):
    """The video, and what to extract from it."""

    url: WebAddress = Field(description="A page with a video, or a video file.")


class Segment(BaseModel):
    """Something that is said, and when."""

    model_config = ConfigDict(frozen=True)

    start_s: float
    end_s: float
    text: str

    def __repr__(self) -> str:
        return f"Segment(start_s={self.start_s}, end_s={self.end_s}, text={self.text!r})"


class Origin(StrEnum):
    """Where a transcript comes from."""

    MANUAL_CAPTIONS = "manual_captions"
    AUTOMATIC_CAPTIONS = "automatic_captions"
    SPEECH = "speech"
    """Recognised here."""


class Transcript(BaseModel):
    """What is said in a video."""

    model_config = ConfigDict(frozen=True)

    origin: Origin
    language: str
    engine: str | None = None
    """That recognised the speech."""
    text: str
    segments: tuple[Segment, ...]


class Chapter(BaseModel):
    """A part of a video that its page names."""

    model_config = ConfigDict(frozen=True)

    start_s: float
    end_s: float | None = None
    title: str


class Frame(BaseModel):
    """A picture of a video."""

    model_config = ConfigDict(frozen=True)

    time_s: float
    change: float
    """How much of the picture changed there, from 0 to 1."""
    artifact: str
    """Its name among the job's artifacts."""


class Metadata(BaseModel):
    """What the page tells of its video. Null is "it does not say"."""

    model_config = ConfigDict(frozen=True)

    video_id: str
    """The same each time for the same video of the same site."""
    site: str
    """As yt-dlp calls it, `generic` for a page of no known site."""
    url: str
    """As the site itself calls the page: the same for each way to write its address."""
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
    frames: tuple[Frame, ...]
