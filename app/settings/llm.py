"""Which language models are asked, and how."""

from typing import Annotated

from pydantic import Field, SecretStr

from app.settings.group import MEBIBYTE, NONE_IF_EMPTY, Group


class LlmSettings(Group):
    """Which language models are asked, and how."""

    anthropic_api_key: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Key to ask Claude."
    )
    anthropic_base_url: str = Field(
        "https://api.anthropic.com",
        validation_alias="ANTHROPIC_BASE_URL",
        description="A gateway that speaks the Anthropic Messages API instead.",
    )
    openai_api_key: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="Key to ask OpenAI's models, or those of OPENAI_BASE_URL if they want one.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias="OPENAI_BASE_URL",
        description="Any server that speaks the Chat Completions API instead.",
    )
    default_model: str = Field(
        "claude-sonnet-4-6",
        validation_alias="CELERIAC_LLM_MODEL",
        min_length=1,
        description="The model of jobs that name none.",
    )
    timeout_s: float = Field(
        300.0,
        validation_alias="CELERIAC_LLM_TIMEOUT_S",
        gt=0,
        description="A provider may be silent for this long, in seconds. Only Claude's answers "
        "come bit by bit: all others have to be whole by then.",
    )
    output_tokens: int = Field(
        8192,
        validation_alias="CELERIAC_LLM_OUTPUT_TOKENS",
        ge=256,
        description="Most tokens of one answer: what common models give.",
    )
    reasks: int = Field(
        2,
        validation_alias="CELERIAC_LLM_REASKS",
        ge=0,
        le=10,
        description="How often a model is asked again whose answer does not fit.",
    )
    concurrency: int = Field(
        4,
        validation_alias="CELERIAC_LLM_CONCURRENCY",
        ge=1,
        description="Requests that one worker process has open at one provider.",
    )
    piece_tokens: int = Field(
        8000,
        validation_alias="CELERIAC_LLM_PIECE_TOKENS",
        ge=200,
        description="Longer content is asked about in pieces of so many tokens (o200k): what is "
        "said in the middle of a longer text is easily overlooked.",
    )
    content_characters: int = Field(
        500_000,
        validation_alias="CELERIAC_LLM_CONTENT_CHARACTERS",
        gt=0,
        description="Longer content is refused.",
    )
    image_bytes: int = Field(
        20 * MEBIBYTE,
        validation_alias="CELERIAC_IMAGE_BYTES",
        gt=0,
        description="A larger picture is refused.",
    )
    image_pixels: int = Field(
        50_000_000,
        validation_alias="CELERIAC_IMAGE_PIXELS",
        gt=0,
        description="A picture of more pixels is refused before it is decoded.",
    )

    @property
    def is_openai_itself(self) -> bool:
        return self.openai_base_url.startswith("https://api.openai.com")
