"""Findings of several pieces become one list without repetitions."""

import pytest

from app.pipelines.strategy import extract
from app.pipelines.strategy.schema import Direction, Quote, StrategyFinding


def finding(
    text: str, start: int, *, direction: str = "unspecified", length: int = 10
) -> StrategyFinding:
    quote = Quote(text="x" * length, start=start, end=start + length)
    return StrategyFinding(text=text, direction=Direction(direction), evidence=(quote,))


@pytest.mark.parametrize(
    ("one", "other", "want"),
    [
        pytest.param(
            finding("Buy at 10.", 0), finding("buy at 10", 900), 1, id="the same words twice"
        ),
        pytest.param(
            finding("Buy when price closes above the EMA 20", 0),
            finding("Buy when the price closes above the EMA 20", 5),
            1,
            id="nearly the same words about one passage",
        ),
        pytest.param(
            finding("Buy when price closes above the EMA 20", 0),
            finding("Buy when the price closes above the EMA 20", 900),
            2,
            id="nearly the same words about two passages",
        ),
        pytest.param(
            finding("Risk 1% of the account a trade", 0),
            finding("Risk 2% of the account a trade", 5),
            2,
            id="other numbers",
        ),
        pytest.param(
            finding("Enter at the break", 0, direction="long"),
            finding("Enter at the break", 0, direction="short"),
            2,
            id="other directions",
        ),
        pytest.param(
            finding("Enter at the break", 0),
            finding("Enter at the break", 0, direction="short"),
            1,
            id="a direction that one does not tell",
        ),
    ],
)
def test_what_says_the_same_is_kept_once(
    one: StrategyFinding, other: StrategyFinding, want: int
) -> None:
    assert len(extract.without_repeats([one, other])) == want
    assert len(extract.without_repeats([other, one])) == want


def test_the_evidence_of_both_is_kept_without_parts_of_itself() -> None:
    long, inside, later = (
        finding("Buy.", 0, length=20),
        finding("Buy.", 5, direction="long"),
        finding("Buy.", 50),
    )
    [found] = extract.without_repeats([inside, later, long])
    assert [(quote.start, quote.end) for quote in found.evidence] == [(0, 20), (50, 60)]
    assert found.direction is Direction.LONG
