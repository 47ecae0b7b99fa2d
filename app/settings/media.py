"""Captions and frames of videos, and the generation of videos."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from app.settings.group import MEBIBYTE, NONE_IF_EMPTY, Group, Names


class FootageSettings(Group):
    """Captions, frames and speech of videos."""

    caption_languages: Names = Field(
        (),
        validation_alias="CELERIAC_CAPTION_LANGUAGES",
        description="Preferred caption languages, separated by commas. Then the language of "
        "the video, English, any other.",
    )
    frame_limit: int = Field(
        50,
        validation_alias="CELERIAC_FRAME_LIMIT",
        gt=0,
        le=1000,
        description="Maximum number of frames per video; those with the greatest change are kept.",
    )
    scene_threshold: float = Field(
        0.3,
        validation_alias="CELERIAC_SCENE_THRESHOLD",
        gt=0,
        le=1,
        description="The part of the picture that must change for a new scene, as a ratio.",
    )
    frame_width: int = Field(
        1280,
        validation_alias="CELERIAC_FRAME_WIDTH",
        ge=16,
        le=7680,
        description="Maximum width of frames, in pixels.",
    )
    speech_engine: Literal["auto", "pocketsphinx", "off"] = Field(
        "auto",
        validation_alias="CELERIAC_SPEECH_ENGINE",
        description="Engine for videos without captions; `auto` uses an installed engine (the"
        " extra `speech`), if any.",
    )
    speech_memory_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_SPEECH_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that recognizes speech.",
    )
    speech_time_s: int = Field(
        1200,
        validation_alias="CELERIAC_SPEECH_TIME_S",
        gt=0,
        description="Time limit of that child.",
    )


class VideoSettings(Group):
    """Generation of videos from articles."""

    pubmed_url: str = Field(
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils",
        validation_alias="PUBMED_BASE_URL",
        description="NCBI's E-utilities, or a mirror.",
    )
    pubmed_api_key: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="NCBI_API_KEY",
        description="Raises the limit of all workers together from 3 requests a second to 10.",
    )
    pubmed_email: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="NCBI_EMAIL",
        description="Contact address for NCBI, which it uses before it blocks a client.",
    )
    command: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="VIDEO_PIPELINE_COMMAND",
        description="A program, with arguments in shell syntax, that makes the video instead.",
    )
    voice: str = Field(
        "en",
        validation_alias="CELERIAC_VIDEO_VOICE",
        description="Voice of espeak-ng, if it is installed. Empty: captions only.",
    )
    words: int = Field(
        400,
        validation_alias="CELERIAC_VIDEO_WORDS",
        ge=20,
        le=5000,
        description="Maximum words of the abstract in a video: 400 take three minutes.",
    )
