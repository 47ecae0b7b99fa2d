"""Parts of a job in what follows it."""

import tracemalloc
from typing import Any

import pytest

from app.errors import InvalidInput, LimitExceeded
from app.jobs.model import placeholders

VIEW = {
    "id": "j1",
    "error": None,
    "result": {"pages": 3, "title": "{{id}}", "files": [{"name": "a.mp3"}], "a-b": True},
}


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param("{{result.pages}}", 3, id="a text that is one becomes the value"),
        pytest.param("{{ result.files }}", [{"name": "a.mp3"}], id="whatever value that is"),
        pytest.param("{{error}}", None, id="also nothing"),
        pytest.param("{{id}}: {{result.a-b}}", "j1: true", id="inside of text it becomes text"),
        pytest.param("{{result.files.0.name}}", "a.mp3", id="lists count from 0"),
        pytest.param("{{result.title}}", "{{id}}", id="what is put in is not looked at again"),
        pytest.param([{"a": "{{id}}"}, 1, None], [{"a": "j1"}, 1, None], id="in all depths"),
        pytest.param("{id} {{}} {{a b}}", "{id} {{}} {{a b}}", id="other braces stay"),
    ],
)
def test_parts_are_put_in(given: Any, want: Any) -> None:
    assert placeholders.filled(given, VIEW) == want


@pytest.mark.parametrize("path", ["nothing", "result.nothing", "result.files.1", "id.0", "error.a"])
def test_a_part_that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(InvalidInput, match=path):
        placeholders.filled({"a": f"see {{{{{path}}}}}"}, VIEW)


def test_values_are_searched_for_placeholders() -> None:
    assert placeholders.has_any({"a": ["x", {"b": "{{id}}"}]})
    assert not placeholders.has_any({"{{id}}": 1, "b": "{id}"})


def test_placeholders_do_not_multiply_without_limit() -> None:
    """300 placeholders in one request made a worker build 270 MB."""
    view = {"params": {"text": "x" * 800_000}}
    value = {f"n{number}": "{{params}}" for number in range(300)}
    tracemalloc.start()
    with pytest.raises(LimitExceeded, match=r"4194304 characters.*\{\{params\}\}"):
        placeholders.filled(value, view)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 2_000_000


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("x" * 2_000_000, id="text"),
        pytest.param(list(range(400_000)), id="numbers"),
        pytest.param({f"key {n}": None for n in range(200_000)}, id="keys"),
        pytest.param([[]] * 1_000_000, id="empty lists"),
    ],
)
def test_every_kind_of_part_counts(part: Any) -> None:
    view = {"result": part}
    assert placeholders.filled("{{result}}", view) is part
    with pytest.raises(LimitExceeded):
        placeholders.filled({"a": "{{result}}", "b": "and {{result}}: {{result}}"}, view)


def test_what_is_put_in_may_not_nest_too_deeply() -> None:
    deep: Any = "{{result}}"
    for _ in range(60):
        deep = [deep]
    assert placeholders.filled(deep, {"result": 1})[0] is not None
    with pytest.raises(InvalidInput, match="nested deeper"):
        placeholders.filled(deep, {"result": deep})
