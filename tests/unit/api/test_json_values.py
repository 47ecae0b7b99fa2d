import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import json_values
from app.api.json_values import Unfit
from app.jobs.model.job import Json

FIT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner) | st.dictionaries(st.just("key"), inner),
)


@given(FIT)
def test_what_json_can_hold_is_fit(value: Json) -> None:
    assert json_values.find_unfit(value) is None


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        pytest.param(
            {"a": ["x", "y\x00"]}, ("a", 1), "must not contain the NUL character", id="NUL"
        ),
        pytest.param(
            {"a": "\ud83d"},
            ("a",),
            "must be valid Unicode, without unpaired surrogates",
            id="half of a surrogate pair",
        ),
        pytest.param([float("nan")], (0,), "must be a finite number", id="not a number"),
        pytest.param({"a": float("-inf")}, ("a",), "must be a finite number", id="infinity"),
        pytest.param({"\x00": 1}, ("(key)",), "must not contain the NUL character", id="a key"),
    ],
)
def test_the_unfit_value_is_named(value: Json, path: tuple[str | int, ...], reason: str) -> None:
    assert json_values.find_unfit(value) == Unfit(path=path, reason=reason)


def test_a_value_that_is_nested_too_deeply_is_unfit() -> None:
    value: Json = "x"
    for _ in range(100_000):
        value = [value]
    want = Unfit(path=(), reason="must not be nested deeper than 100 levels")
    assert json_values.find_unfit(value) == want


def test_an_answer_has_a_note_in_place_of_what_is_too_deep() -> None:
    value: Json = "half \ud800"
    for _ in range(300):
        value = {"a": value}
    text = json.dumps(json_values.shown(value))
    assert "[omitted: nested deeper than 100 levels]" in text
    assert text.count("{") == 100
