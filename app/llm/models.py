"""Builds the library's model for a choice, with our keys, URLs and timeouts."""

import threading
from typing import TYPE_CHECKING

import httpx2
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers import Provider
from pydantic_ai.settings import ModelSettings

from app.errors import NotConfigured
from app.llm import names
from app.llm.names import Choice
from app.settings import LlmSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_KEY = "none"
"""A placeholder, since the client always sends a key."""


class Whole(WrapperModel):
    """A model that refuses truncated answers: one that was cut at the token limit may still have
    the right form."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        answer = await self._answer(messages, model_settings, model_request_parameters)
        if answer.finish_reason == "length":
            raise OutputTokenLimitExceeded("CELERIAC_LLM_OUTPUT_TOKENS is the most")
        return answer

    async def _answer(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return await self.wrapped.request(messages, model_settings, parameters)


class Streamed(Whole):
    """A model with streamed answers, so that a timeout detects silence and not a long answer."""

    async def _answer(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        try:
            answer = await self._read(messages, model_settings, parameters)
        except ContentFilterError:
            raise
        except UnexpectedModelBehavior as error:  # the answer is not a stream
            raise ModelAPIError(self.model_name, error.message) from error
        if answer.finish_reason is None:
            raise ModelAPIError(self.model_name, "the answer breaks off")
        return answer

    async def _read(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self.wrapped.request_stream(messages, model_settings, parameters) as stream:
            async for _ in stream:
                pass
        return stream.get()


def client_of(settings: LlmSettings, *, proxy_url: str | None) -> httpx2.AsyncClient:
    """An HTTP client whose requests can be cancelled. The caller closes it."""
    return httpx2.AsyncClient(timeout=settings.timeout_s, proxy=proxy_url, trust_env=False)


def key_of(choice: Choice, settings: LlmSettings) -> str:
    """The provider's API key. Raises NotConfigured.

    A self-hosted server with the OpenAI protocol usually needs none.
    """
    if choice.provider is names.Provider.ANTHROPIC:
        secret, name = settings.anthropic_api_key, "ANTHROPIC_API_KEY"
    else:
        secret, name = settings.openai_api_key, "OPENAI_API_KEY"
    if secret is not None:
        return secret.get_secret_value()
    if choice.provider is names.Provider.OPENAI and not settings.is_openai_itself:
        return ""
    raise NotConfigured(f"no API key to ask {choice}: set {name} for the workers of the queue llm")


_IMPORTING = threading.Lock()
"""Tasks run in threads, and two that import a library at once may see it half imported."""


def build_model(choice: Choice, settings: LlmSettings, client: httpx2.AsyncClient) -> Model:
    """The model, ready to be asked. Raises NotConfigured."""
    key = key_of(choice, settings)
    with _IMPORTING:
        return _built(choice, settings, client, key)


def _built(choice: Choice, settings: LlmSettings, client: httpx2.AsyncClient, key: str) -> Model:
    # Each provider's library is imported for its own models only.
    if choice.provider is names.Provider.ANTHROPIC:
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        home = AnthropicProvider(
            api_key=key, base_url=settings.anthropic_base_url, http_client=client
        )
        return Streamed(AnthropicModel(choice.name, provider=home))
    from pydantic_ai.models.openai import OpenAIChatModel

    # Not streamed, since many servers of this protocol then omit the usage or tools.
    return Whole(OpenAIChatModel(choice.name, provider=_openai(key, settings, client)))


def _openai(key: str, settings: LlmSettings, client: httpx2.AsyncClient) -> "Provider[AsyncOpenAI]":
    """Other servers do not get requests for features that only OpenAI has."""
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    url = settings.openai_base_url
    if settings.is_openai_itself:
        return OpenAIProvider(api_key=key, base_url=url, http_client=client)
    return OpenAICompatibleProvider(
        "openai-compatible", api_key=key or NO_KEY, base_url=url, http_client=client
    )
