"""Which language models are asked, and how."""

from typing import Annotated

from pydantic import Field, SecretStr

from app.settings.group import MEBIBYTE, NONE_IF_EMPTY, Group


class LlmSettings(Group):
    """Which language models are asked, and how."""

    anthropic_api_key: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="API key of Anthropic."
    )
    anthropic_base_url: str = Field(
        "https://api.anthropic.com",
        validation_alias="ANTHROPIC_BASE_URL",
        description="The Anthropic Messages API, or a gateway with the same API.",
    )
    openai_api_key: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="API key of OpenAI, or of the server at OPENAI_BASE_URL if it needs one.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias="OPENAI_BASE_URL",
        description="OpenAI, or any server with the Chat Completions API.",
    )
    default_model: str = Field(
        "claude-sonnet-4-6",
        validation_alias="CELERIAC_LLM_MODEL",
        min_length=1,
        description="Default model.",
    )
    timeout_s: float = Field(
        300.0,
        validation_alias="CELERIAC_LLM_TIMEOUT_S",
        gt=0,
        description="A request fails after this much silence, in seconds. Claude's answers "
        "are streamed; other answers must arrive completely within this time.",
    )
    output_tokens: int = Field(
        8192,
        validation_alias="CELERIAC_LLM_OUTPUT_TOKENS",
        ge=256,
        description="Maximum tokens of an answer. The default suits common models.",
    )
    reasks: int = Field(
        2,
        validation_alias="CELERIAC_LLM_REASKS",
        ge=0,
        le=10,
        description="Maximum number of repeated requests after an answer that does not match "
        "the schema.",
    )
    concurrency: int = Field(
        4,
        validation_alias="CELERIAC_LLM_CONCURRENCY",
        ge=1,
        description="Maximum open requests per worker process and provider.",
    )
    piece_tokens: int = Field(
        8000,
        validation_alias="CELERIAC_LLM_PIECE_TOKENS",
        ge=200,
        description="Longer content is processed in pieces of this many tokens (o200k): "
        "models easily overlook the middle of a longer text.",
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
        description="A larger image is refused.",
    )
    image_pixels: int = Field(
        50_000_000,
        validation_alias="CELERIAC_IMAGE_PIXELS",
        gt=0,
        description="An image with more pixels is refused before it is decoded.",
    )

    @property
    def is_openai_itself(self) -> bool:
        return self.openai_base_url.startswith("https://api.openai.com")
