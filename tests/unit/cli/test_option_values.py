import pytest

from app.cli import option_values
from app.errors import InvalidInput


def test_the_value_may_hold_an_equals_sign() -> None:
    assert option_values.parse(["url=http://x/?a=b", "empty="]) == {
        "url": "http://x/?a=b",
        "empty": "",
    }


@pytest.mark.parametrize("given", ["plain", "=value", ""])
def test_what_is_no_pair_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="key=value"):
        option_values.parse([given])


def test_values_may_be_json() -> None:
    given = ["n=3", "yes=true", 'list=["a"]', "text=three", 'quoted="3"']
    want = {"n": 3, "yes": True, "list": ["a"], "text": "three", "quoted": "3"}
    assert option_values.parse_typed(given) == want


def test_what_is_text_stays_text() -> None:
    assert option_values.parse_typed(["title=1984", "n=3"], texts={"title"}) == {
        "title": "1984",
        "n": 3,
    }


def test_shown_in_one_line() -> None:
    assert option_values.shown({"a": "b", "n": [1, "ü"]}) == 'a=b n=[1, "ü"]'
