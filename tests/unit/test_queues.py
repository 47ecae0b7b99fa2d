"""Queues that make no sense are refused where they are declared."""

from dataclasses import replace

import pytest

from app.errors import InvalidInput
from app.pipelines import registry
from app.queues import BY_NAME
from tests.letters import LETTERS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"name": "Letters"}, "name", id="capital letters"),
        pytest.param({"name": "l" * 21}, "name", id="a long name"),
        pytest.param({"name": "letters-"}, "name", id="a hyphen at the end"),
        pytest.param({"concurrency": 0}, "concurrency is below 1", id="no slot"),
        pytest.param({"soft_limit_s": 90}, "soft_limit_s", id="a soft limit that is the hard one"),
        pytest.param({"soft_limit_s": 0}, "soft_limit_s", id="no time"),
        pytest.param({"wait_target_s": 0}, "wait_target_s is not above 0", id="no wait"),
        pytest.param({"min_replicas": 3}, "min_replicas", id="more than the most"),
        pytest.param({"min_replicas": -1}, "min_replicas", id="fewer than none"),
    ],
)
def test_a_queue_is_refused_with_its_problem(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        replace(LETTERS, **change)  # type: ignore[arg-type]  # given by the test


def test_modules_bring_queues_beside_the_declared_ones() -> None:
    assert registry.queues_with(["tests.letters"]) == {**BY_NAME, "letters": LETTERS}
    assert registry.queues_with([]) == registry.discover().queues == BY_NAME
