from datetime import timedelta

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from app import queues
from app.api.requests import BatchBody
from app.api.routes import submit
from app.jobs.model.job import JobRequest
from app.jobs.model.pipeline import Pipeline, Registry, Stage
from tests.unit.api import build


class Params(BaseModel):
    count: int = Field(ge=1)


REGISTRY = Registry(
    [
        Pipeline(
            kind="counted",
            summary="Counts.",
            params=Params,
            stages=(Stage(task="count", queue=queues.DEFAULT_QUEUE.name),),
            tasks_module="nowhere",
        )
    ]
)


def batch(*jobs: dict[str, object]) -> BatchBody:
    return BatchBody.model_validate({"jobs": jobs})


def test_a_batch_is_parsed_job_by_job() -> None:
    body = batch(
        {"kind": "counted", "params": {"count": 1}},
        {"kind": "counted", "params": {"count": 2}, "priority": 0, "idempotency_key": "two"},
    )
    assert submit.parse_batch(body, REGISTRY) == [
        JobRequest(pipeline="counted", params={"count": 1}),
        JobRequest(pipeline="counted", params={"count": 2}, priority=0, idempotency_key="two"),
    ]


def test_all_that_is_wrong_in_a_batch_is_told_at_once() -> None:
    body = batch(
        {"kind": "counted", "params": {"count": 1}},
        {"kind": "counted", "params": {"count": 0}},
        {"kind": "unknown", "params": {}},
        {"kind": "counted", "params": {}},
    )
    with pytest.raises(RequestValidationError) as caught:
        submit.parse_batch(body, REGISTRY)
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [
        (("body", "jobs", 1, "params", "count"), "greater_than_equal"),
        (("body", "jobs", 2, "kind"), "unknown_kind"),
        (("body", "jobs", 3, "params", "count"), "missing"),
    ]


@pytest.mark.parametrize(
    ("wait_s", "want"),
    [
        pytest.param(None, 1, id="at once"),
        pytest.param(-5, 1, id="a moment that has passed"),
        pytest.param(12.3, 13, id="not before it can start"),
        pytest.param(10**6, 3600, id="but once an hour"),
    ],
)
def test_when_to_look_again(wait_s: float | None, want: int) -> None:
    moment = None if wait_s is None else build.NOON + timedelta(seconds=wait_s)
    assert submit.poll_after_s(build.job(not_before=moment), now=build.NOON) == want
