"""What is taken out of videos, and how videos are made."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from app.settings.group import MEBIBYTE, NONE_IF_EMPTY, Group, Names


class FootageSettings(Group):
    """What is taken out of videos."""

    caption_languages: Names = Field(
        (),
        validation_alias="CELERIAC_CAPTION_LANGUAGES",
        description="Languages of captions by preference, separated by commas; then the spoken "
        "one, English, any other.",
    )
    frame_limit: int = Field(
        50,
        validation_alias="CELERIAC_FRAME_LIMIT",
        gt=0,
        le=1000,
        description="Most frames of a video: those with the greatest change.",
    )
    scene_threshold: float = Field(
        0.3,
        validation_alias="CELERIAC_SCENE_THRESHOLD",
        gt=0,
        le=1,
        description="How much of the picture has to change for a new scene, as a ratio.",
    )
    frame_width: int = Field(
        1280,
        validation_alias="CELERIAC_FRAME_WIDTH",
        ge=16,
        le=7680,
        description="Frames are made no wider than this many pixels.",
    )
    speech_engine: Literal["auto", "pocketsphinx", "off"] = Field(
        "auto",
        validation_alias="CELERIAC_SPEECH_ENGINE",
        description="Recognises speech where captions are missing; `auto` takes an engine that is "
        "installed (the extra `speech`), if there is one.",
    )
    speech_memory_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_SPEECH_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that recognises speech.",
    )
    speech_time_s: int = Field(
        1200, validation_alias="CELERIAC_SPEECH_TIME_S", gt=0, description="Of that child."
    )


class VideoSettings(Group):
    """How videos of articles are made."""

    pubmed_url: str = Field(
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils",
        validation_alias="PUBMED_BASE_URL",
        description="NCBI's E-utilities, or a mirror of them.",
    )
    pubmed_api_key: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="NCBI_API_KEY",
        description="Lets all workers together ask 10 times a second instead of 3.",
    )
    pubmed_email: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="NCBI_EMAIL",
        description="Whom NCBI may write to before it locks us out.",
    )
    command: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="VIDEO_PIPELINE_COMMAND",
        description="A program, with arguments as a shell has them, that makes the video instead.",
    )
    voice: str = Field(
        "en",
        validation_alias="CELERIAC_VIDEO_VOICE",
        description="espeak-ng's voice, where espeak-ng is installed. Empty: captions only.",
    )
    words: int = Field(
        400,
        validation_alias="CELERIAC_VIDEO_WORDS",
        ge=20,
        le=5000,
        description="Most words of the abstract that a video tells: 400 take three minutes.",
    )
