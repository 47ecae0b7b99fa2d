"""A text with a strategy in it, and calls of the stage that finds it."""

from typing import Any

from app.pipelines.strategy import extract
from app.pipelines.strategy.schema import Strategy, StrategyParams
from app.testing import RecordedWork
from tests.sites import models
from tests.sites.models import ModelServer

CONTENT = """I trade the EUR/USD on the five minute chart, and only in the London session.

I buy when the price closes above the 20 EMA and the RSI is over 50.  My stop goes ten pips
below the last swing low, and I take profit at twice the risk.

Never more than 1% of the account on one trade!"""


def asking(model_server: ModelServer, **environment: str) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": models.KEY,
        "ANTHROPIC_BASE_URL": model_server.url,
        "OPENAI_API_KEY": models.KEY,
        "OPENAI_BASE_URL": f"{model_server.url}/v1",
        **environment,
    }


def extracted(work: RecordedWork, content: str | None = CONTENT, **values: Any) -> Strategy:
    values = {"content": content, "model": "claude-sonnet-4", **values}
    return extract.extract(StrategyParams.model_validate(values), work)


def claim(text: str, *quotes: str, direction: str = "unspecified") -> dict[str, Any]:
    return {"text": text, "direction": direction, "quotes": quotes}


ENTRY = claim(
    "Buy on a close above the 20 EMA with the RSI over 50.",
    "I buy when the price closes above the 20 EMA and the RSI is over 50",
    direction="long",
)
ANSWER = {
    "name": None,
    "summary": "A trend strategy.",
    "instruments": [claim("EUR/USD", "EUR/USD")],
    "time_frames": [claim("5 minutes", "five minute chart")],
    "entry_rules": [ENTRY],
    "exit_rules": [claim("Stop 10 pips below the swing low.", "stop goes ten pips below the last")],
    "risk_rules": [claim("Risk at most 1 % a trade.", "\u201cnever more than 1% of the account")],
}
