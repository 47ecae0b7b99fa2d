"""Models as their users write them."""

import pytest

from app.errors import InvalidInput
from app.llm import names


@pytest.mark.parametrize(
    ("written", "want"),
    [
        ("claude-sonnet-4", "anthropic:claude-sonnet-4-0"),
        ("claude-sonnet-4-20250514", "anthropic:claude-sonnet-4-20250514"),
        ("claude-sonnet-4.5", "anthropic:claude-sonnet-4-5"),
        ("anthropic/claude-opus-4", "anthropic:claude-opus-4-0"),
        ("Anthropic:claude-3-5-haiku", "anthropic:claude-3-5-haiku-latest"),
        ("anthropic:own-model", "anthropic:own-model"),
        ("gpt-4o", "openai:gpt-4o"),
        ("openai/gpt-4.1-mini", "openai:gpt-4.1-mini"),
        ("openai:claude-sonnet-4", "openai:claude-sonnet-4"),
        ("meta-llama/Llama-3.3-70B", "openai:meta-llama/Llama-3.3-70B"),
        (" qwen3:8b ", "openai:qwen3:8b"),
    ],
)
def test_a_model_is_known_by_how_it_is_written(written: str, want: str) -> None:
    assert str(names.parse_model(written)) == want


@pytest.mark.parametrize("written", ["", "  ", "a\nb"])
def test_what_is_no_name_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        names.parse_model(written)
