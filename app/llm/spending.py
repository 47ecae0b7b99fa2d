"""The cost of requests to models: requests, tokens, and their price if it is known."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict
from pydantic_ai.messages import ModelMessage, ModelResponse

from app.llm.names import Provider

OPENAI_URL = "https://api.openai.com"


class Spent(BaseModel):
    """The sum over all requests, including repeated ones."""

    model_config = ConfigDict(frozen=True)

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    """By the provider's list prices; null if the price is unknown."""


def of_messages(messages: Iterable[ModelMessage], provider: Provider) -> Spent:
    answers = [message for message in messages if isinstance(message, ModelResponse)]
    prices = [_price_usd(answer, provider) for answer in answers]
    known = [price for price in prices if price is not None]
    return Spent(
        requests=len(answers),
        input_tokens=sum(answer.usage.input_tokens for answer in answers),
        output_tokens=sum(answer.usage.output_tokens for answer in answers),
        cost_usd=_rounded(sum(known)) if answers and len(known) == len(prices) else None,
    )


def total(parts: Iterable[Spent]) -> Spent:
    """
    >>> total([Spent(requests=1, cost_usd=0.25), Spent(requests=2, cost_usd=0.5)]).cost_usd
    0.75
    >>> total([Spent(requests=1, cost_usd=0.25), Spent(requests=1)]).cost_usd
    """
    all_ = tuple(parts)
    known = [part.cost_usd for part in all_ if part.cost_usd is not None]
    return Spent(
        requests=sum(part.requests for part in all_),
        input_tokens=sum(part.input_tokens for part in all_),
        output_tokens=sum(part.output_tokens for part in all_),
        cost_usd=_rounded(sum(known)) if all_ and len(known) == len(all_) else None,
    )


def _price_usd(answer: ModelResponse, provider: Provider) -> float | None:
    """`None` for a model without a list price, and for one on another server than the list is for:
    the name of a model says nothing about the cost of a self-hosted server."""
    is_elsewhere = not (answer.provider_url or "").startswith(OPENAI_URL)
    if provider is Provider.OPENAI and is_elsewhere:
        return None
    try:
        return float(answer.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        return None


def _rounded(usd: float) -> float:
    return round(usd, 8)
