"""How deeply JSON may nest, and how what is deeper gets shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage import nesting
from app.storage.nesting import MAX_DEPTH, OMITTED, Json


def nested(levels: int, value: Json = 1, *, as_objects: bool = False) -> Json:
    """The value inside of so many arrays, or objects."""
    for _ in range(levels):
        value = {"a": value} if as_objects else [value]
    return value


def shared(levels: int) -> Json:
    """A value that holds each level twice: as JSON it would have 2 ** levels parts."""
    value: Json = []
    for _ in range(levels):
        value = [value, value]
    return value


def circular() -> Json:
    value: list[Json] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(1, False, id="a number"),
        pytest.param(nested(MAX_DEPTH), False, id="arrays up to the limit"),
        pytest.param(nested(MAX_DEPTH + 1), True, id="arrays beyond it"),
        pytest.param(nested(MAX_DEPTH + 1, as_objects=True), True, id="objects beyond it"),
        pytest.param(nested(200_000), True, id="a depth that no stack has"),
        pytest.param(shared(MAX_DEPTH - 1), False, id="shared parts are looked at once"),
        pytest.param(circular(), True, id="a circle has no end"),
    ],
)
def test_the_limit_counts_levels(value: Json, *, want: bool) -> None:
    assert nesting.is_too_deep(value) is want


def test_what_is_too_deep_is_cut() -> None:
    assert nesting.cut(nested(300)) == nested(MAX_DEPTH, OMITTED)
    assert nesting.cut({"a": 1, "b": nested(300)}) == {"a": 1, "b": nested(MAX_DEPTH - 1, OMITTED)}


@pytest.mark.parametrize("levels", [300, 990, 5_000])
def test_a_row_is_read_however_deep_it_is(levels: int) -> None:
    """The brackets inside of texts are no structure."""
    inner = '"]}\\"["'
    text = '{"kind": "a", "params": ' + "[" * levels + inner + "]" * levels + ', "queue": "q"}'
    found = nesting.cut(nesting.parse(text))
    want = {"kind": "a", "params": nested(MAX_DEPTH - 1, OMITTED), "queue": "q"}
    assert found == want
    assert nesting.parse(text.encode()) == nesting.parse(text)


@given(
    st.recursive(
        st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_is_shallow_stays_as_it_is(value: Json) -> None:
    assert nesting.cut(value) is value
    assert nesting.parse(json.dumps(value)) == value
