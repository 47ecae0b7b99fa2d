"""How long runs may take."""

import pytest

from app import queues
from app.errors import InvalidInput
from app.jobs.model import time_limits
from app.jobs.model.time_limits import TimeLimits
from app.settings import WorkerSettings


@pytest.mark.parametrize(
    ("queue", "want"),
    [
        pytest.param("llm", TimeLimits(soft_s=60, hard_s=90), id="as set"),
        pytest.param("pdf", TimeLimits(soft_s=1500, hard_s=1800), id="as declared"),
        pytest.param("theirs", TimeLimits(soft_s=1500, hard_s=1800), id="of nobody: the default"),
    ],
)
def test_limits_are_those_of_the_queue(
    queue: str, want: TimeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_TIME_LIMITS", " llm=60/90, websites=5/5")

    found = time_limits.of_queue(
        queue, queues=queues.BY_NAME, settings=WorkerSettings().time_limits
    )

    assert found == want


@pytest.mark.parametrize("value", ["llm", "llm=1", "llm=9/5", "llm=0/5", "llm=a/b", "llm=1/2/3"])
def test_limits_that_make_no_sense_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_TIME_LIMITS", value)

    with pytest.raises(InvalidInput, match="CELERIAC_TIME_LIMITS"):
        WorkerSettings()
