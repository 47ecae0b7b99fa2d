"""Parameters of a media job, and the results of its stages."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.pipelines.parameters import NOT_BLANK, WebAddress

Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
    Field(json_schema_extra=NOT_BLANK),
]

Bitrate = Literal[64, 96, 128, 160, 192, 224, 256, 320]


class MediaParams(BaseModel):
    """The media to fetch and the tags of the MP3. Missing tags come from the page or the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: WebAddress = Field(description="A page with video or audio, or a media file.")
    title: Label | None = Field(None, description="Title tag. Default: that of the page or file.")
    artist: Label | None = Field(None, description="Artist tag. Default: that of the page or file.")
    album: Label | None = Field(None, description="Album tag. Default: that of the page or file.")
    bitrate: Bitrate = Field(192, description="Bit rate of the MP3 in kbit/s.")


class Downloaded(BaseModel):
    """Result of `download_audio`. Files are names in the workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_url: str
    file: str
    size_bytes: int
    cover: str | None = None
    """A picture in any format, if the page has one."""
    name: str
    """Name of the file at its source, used without a title."""
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    date: str | None = None
    """`YYYY-MM-DD`."""
    bitrate: Bitrate = 192


class Converted(BaseModel):
    """Result of `convert_to_mp3` and of the job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    artist: str | None
    duration_seconds: float
    size_bytes: int
    bitrate_kbps: int
    artifact: str
    """Name of the artifact."""
    sha256: str
    tags: dict[str, str]
    has_cover: bool
    source_url: str
