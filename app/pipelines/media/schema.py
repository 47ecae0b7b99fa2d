"""What a media job is asked for, and what its stages hand on."""

from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, UrlConstraints

WebAddress = Annotated[AnyHttpUrl, UrlConstraints(max_length=2000)]

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]

Bitrate = Literal[64, 96, 128, 160, 192, 224, 256, 320]


class MediaParams(BaseModel):
    """What to fetch, and how to tag it. What is not given is taken from the page or the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: WebAddress = Field(description="A page with a video or audio on it, or the file itself.")
    title: Label | None = None
    artist: Label | None = None
    album: Label | None = None
    bitrate: Bitrate = Field(192, description="Of the MP3, in kbit/s.")


class Downloaded(BaseModel):
    """What `download_audio` hands to `convert_to_mp3`. Files are names in the work's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_url: str
    file: str
    size_bytes: int
    cover: str | None = None
    """A picture of any format, when the page has one."""
    name: str
    """The file's name at its source, for want of a title."""
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    date: str | None = None
    """`YYYY-MM-DD`."""
    bitrate: Bitrate = 192


class Converted(BaseModel):
    """What `convert_to_mp3` made: the job's result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    artist: str | None
    duration_seconds: float
    size_bytes: int
    bitrate_kbps: int
    artifact: str
    """The MP3's name among the job's artifacts."""
    sha256: str
    tags: dict[str, str]
    has_cover: bool
    source_url: str
