from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.api import requests
from app.api.requests import BatchBody, Submission
from app.jobs.model.job import JobRequest


class Params(BaseModel):
    url: str
    pages: int = 10


def parse(**given: Any) -> Submission[Params]:  # what a client may send
    return Submission[Params].model_validate({"params": {"url": "http://x"}, **given})


def test_a_request_keeps_the_defaults_of_today() -> None:
    body = parse(labels={"team": "shop"}, not_before="2026-01-01T12:00:00+02:00")
    assert body.request("media", body.params, idempotency_key="k") == JobRequest(
        pipeline="media",
        params={"url": "http://x", "pages": 10},
        not_before=datetime(2026, 1, 1, 10, tzinfo=UTC),
        idempotency_key="k",
        labels={"team": "shop"},
    )


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"priority": 10}, id="an unknown priority"),
        pytest.param({"priority": -1}, id="a negative priority"),
        pytest.param({"max_attempts": 0}, id="no attempt"),
        pytest.param({"not_before": "2026-01-01T12:00:00"}, id="a moment without a time zone"),
        pytest.param({"not_before": 1767225600}, id="a number that might be a moment"),
        pytest.param({"labels": {"": "x"}}, id="a label without a name"),
        pytest.param({"labels": {"a=b": "x"}}, id="a label that could not be asked for"),
        pytest.param({"labels": {"a": "x" * 257}}, id="a label too long"),
        pytest.param({"labels": {str(n): "" for n in range(33)}}, id="too many labels"),
        pytest.param({"params": {"url": "a\x00b"}}, id="a character that no database keeps"),
        pytest.param({"params": {"url": "\ud800"}}, id="half a character"),
        pytest.param({"params": {"url": "x", "pages": float("nan")}}, id="not a number"),
        pytest.param({"surprise": 1}, id="an unknown field"),
        pytest.param({"params": []}, id="parameters that are not an object"),
    ],
)
def test_what_can_not_be_done_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse(**given)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param("2026-01-01T12:00:00+02:00", datetime(2026, 1, 1, 10, tzinfo=UTC), id="usual"),
        pytest.param("9999-12-31T23:59:59-12:00", requests.LATEST, id="past the last year"),
        pytest.param("0001-01-01T00:00:00+12:00", requests.EARLIEST, id="before the first year"),
    ],
)
def test_moments_are_kept_in_utc_and_in_reach(given: str, want: datetime) -> None:
    assert parse(not_before=given).not_before == want


@pytest.mark.parametrize(
    ("count", "is_taken"), [(0, False), (1, True), (1000, True), (1001, False)]
)
def test_a_batch_has_a_limit(count: int, *, is_taken: bool) -> None:
    jobs = [{"kind": "media", "params": {}}] * count
    try:
        BatchBody.model_validate({"jobs": jobs})
    except ValidationError:
        assert not is_taken
    else:
        assert is_taken
