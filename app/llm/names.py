"""Names of models as users write them: `claude-sonnet-4`, `gpt-4o`, `openai:llama3:8b`."""

import re
from dataclasses import dataclass
from enum import StrEnum

from app.errors import InvalidInput


class Provider(StrEnum):
    """The provider whose protocol a model uses."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    """Also every other server with the Chat Completions API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model, by the provider's name for it."""

    provider: Provider
    name: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


_SHORT = {
    "claude-opus-4": "claude-opus-4-0",
    "claude-sonnet-4": "claude-sonnet-4-0",
    "claude-3-opus": "claude-3-opus-latest",
    "claude-3-5-haiku": "claude-3-5-haiku-latest",
    "claude-3-5-sonnet": "claude-3-5-sonnet-latest",
    "claude-3-7-sonnet": "claude-3-7-sonnet-latest",
}
"""Short names, and the full ones that the Anthropic API needs."""

_PREFIXED = re.compile(rf"({'|'.join(Provider)})[:/](.+)", re.IGNORECASE)


def parse_model(written: str) -> Choice:
    """Parse the name of a model.

    A prefix decides the provider. Without one, Claude is a model of Anthropic, and all others use
    the OpenAI protocol. Raises InvalidInput if it is not a name.

    >>> str(parse_model("claude-sonnet-4")), str(parse_model("Claude 3.5 Sonnet"))
    ('anthropic:claude-sonnet-4-0', 'anthropic:claude-3-5-sonnet-latest')
    >>> str(parse_model("gpt-4o")), str(parse_model("llama3:8b"))
    ('openai:gpt-4o', 'openai:llama3:8b')
    >>> str(parse_model("openai:anthropic/claude-sonnet-4"))
    'openai:anthropic/claude-sonnet-4'
    """
    name = written.strip()
    if not name or not name.isprintable():
        raise InvalidInput(f"no name of a model: {written[:100]!r}")
    found = _PREFIXED.fullmatch(name)
    if found is not None:
        return _choice(Provider(found[1].lower()), found[2].strip())
    is_claude = name.lower().startswith("claude")
    return _choice(Provider.ANTHROPIC if is_claude else Provider.OPENAI, name)


def _choice(provider: Provider, name: str) -> Choice:
    if provider is Provider.ANTHROPIC and name.lower().startswith("claude"):
        plain = re.sub(r"[\s._]+", "-", name.lower())
        name = _SHORT.get(plain, plain)
    return Choice(provider=provider, name=name)
