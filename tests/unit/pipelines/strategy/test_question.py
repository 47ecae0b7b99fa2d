"""Quotes are found as they stand, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipelines.strategy.question import Text

TEXT = (
    "He said: \u201cBuy EUR/USD \u2013 at 1.0725\u201d.\n\n"
    "Then\u00a0wait   ten \u0130 bars. Don\u2019t hurry!"
)


@pytest.mark.parametrize(
    ("quote", "want"),
    [
        pytest.param(
            "Buy EUR/USD \u2013 at 1.0725", "Buy EUR/USD \u2013 at 1.0725", id="as it stands"
        ),
        pytest.param('"buy eur/usd - at 1.0725"', "Buy EUR/USD \u2013 at 1.0725", id="typography"),
        pytest.param("Then wait ten", "Then\u00a0wait   ten", id="white space"),
        pytest.param("...wait ten...", "wait   ten", id="marks of omission"),
        pytest.param("don't hurry", "Don\u2019t hurry", id="an apostrophe"),
        pytest.param("bars", "bars", id="after a letter that grows when it is made small"),
        pytest.param("uy EUR/USD", None, id="half a word"),
        pytest.param("at 1.07", None, id="half a number"),
        pytest.param("at 1", None, id="a number without its fraction"),
        pytest.param("0725", None, id="a fraction without its number"),
        pytest.param("Buy at 1.0725", None, id="words left out"),
        pytest.param("...", None, id="no word"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_quote_is_found_where_it_stands(quote: str, want: str | None) -> None:
    found = Text(TEXT).find(quote)
    assert (TEXT[slice(*found)] if found is not None else None) == want


@given(st.text(), st.text(alphabet="abc \n\u2019'"), st.text())
def test_what_is_found_says_the_same(before: str, quote: str, after: str) -> None:
    whole = f"{before} {quote} {after}"
    found = Text(whole).find(quote)
    assert (found is not None) == any(letter in quote for letter in "abc")
    assert found is None or 0 <= found[0] < found[1] <= len(whole)
