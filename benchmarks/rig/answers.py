"""What the language model of a benchmark answers: something that its schema allows."""

from typing import Any

CONTENT = """I trade the EUR/USD on the five minute chart, and only in the London session.

I buy when the price closes above the 20 EMA. My stop goes ten pips below the last swing low."""

STRATEGY = {
    "name": None,
    "summary": "A trend strategy.",
    "instruments": [{"text": "EUR/USD", "direction": "both", "quotes": ["EUR/USD"]}],
    "time_frames": [],
    "entry_rules": [
        {
            "text": "Buy on a close above the 20 EMA.",
            "direction": "long",
            "quotes": ["I buy when the price closes above the 20 EMA"],
        }
    ],
    "exit_rules": [],
    "risk_rules": [],
}

CHART = {
    "is_chart": True,
    "instrument": "EUR/USD",
    "time_frame": "5m",
    "chart_type": "line",
    "trend": "up",
    "levels": [{"kind": "support", "price": 1.0725, "note": "twice touched"}],
    "patterns": [],
    "indicators": ["EMA 20"],
    "summary": "The price rises.",
    "confidence": 0.8,
}


def of(asked: Any) -> dict[str, Any]:  # JSON; Any: `tests.sites.models.Asked`
    """Whichever fits what is asked for."""
    return CHART if "is_chart" in asked.tool["schema"]["properties"] else STRATEGY
