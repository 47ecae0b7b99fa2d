"""What a video job is asked for, and what it answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.pipelines.media.schema import WebAddress

LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$")]

Languages = Annotated[
    tuple[LanguageTag, ...],
    Field(
        max_length=20,
        description="Of captions, by preference; then the server's own order, the spoken language, "
        "English, any other.",
    ),
]


class VideoOptions(BaseModel):
    """What to take out of a video, for one and for many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extract_frames: bool = Field(
        default=False, description="Keep a picture of the beginning and of each change of scene."
    )
    prefer_captions: bool = Field(
        default=True,
        description="Recognise speech only where there are no captions; false: take captions only "
        "where speech is not recognised.",
    )
    languages: Languages = ()


class YoutubeParams(VideoOptions):
    """Which video to work on, and what to take out of it."""

    url: WebAddress = Field(description="A page with a video on it, or the file itself.")


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
