import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import plain
from app.api.plain import Unfit
from app.jobs.model import Json

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
    assert plain.find_unfit(value) is None


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        pytest.param(
            {"a": ["x", "y\x00"]}, ("a", 1), "must not contain the NUL character", id="NUL"
        ),
        pytest.param(
            {"a": "\ud83d"},
            ("a",),
            "must be valid Unicode, not half of a surrogate pair",
            id="half of a surrogate pair",
        ),
        pytest.param([float("nan")], (0,), "must be a finite number", id="not a number"),
        pytest.param({"a": float("-inf")}, ("a",), "must be a finite number", id="infinity"),
        pytest.param({"\x00": 1}, ("(key)",), "must not contain the NUL character", id="a key"),
    ],
)
def test_the_unfit_value_is_named(value: Json, path: tuple[str | int, ...], reason: str) -> None:
    assert plain.find_unfit(value) == Unfit(path=path, reason=reason)


def test_depth_does_not_exhaust_the_stack() -> None:
    value: Json = "\x00"
    for _ in range(100_000):
        value = [value]
    found = plain.find_unfit(value)
    assert found is not None
    assert len(found.path) == 100_000
