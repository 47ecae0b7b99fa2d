"""Which callbacks the end of a job has, and what they are called."""

import uuid
from datetime import timedelta

import pytest

from app.jobs.model.job import FollowUp, Job, JobState
from app.jobs.store import callbacks
from app.jobs.store.callbacks import Target
from app.pipelines.callback import tasks
from tests.unit.jobs import build

WISH = FollowUp(task="shop.done")


def ended(state: JobState = JobState.SUCCEEDED, **fields: object) -> Job:
    values = {
        "finished_at": build.NOW,
        "webhook_url": "https://a.example/",
        "on_success": WISH,
        "on_failure": WISH,
    }
    return build.job(state=state, **{**values, **fields})


@pytest.mark.parametrize(
    ("state", "want"),
    [
        (JobState.SUCCEEDED, [Target.WEBHOOK, Target.ON_SUCCESS]),
        (JobState.FAILED, [Target.WEBHOOK, Target.ON_FAILURE]),
        (JobState.CANCELLED, [Target.WEBHOOK]),
    ],
)
def test_each_end_has_its_callbacks(state: JobState, want: list[Target]) -> None:
    assert [found.target for found in callbacks.due(ended(state))] == want


def test_a_job_without_wishes_has_none() -> None:
    assert callbacks.due(build.job(state=JobState.FAILED, finished_at=build.NOW)) == ()


def test_an_end_names_its_callbacks_always_the_same() -> None:
    ids = {found.id for found in callbacks.due(ended())}
    others = [
        ended(fence=1),
        ended(id=build.job_id(2)),
        ended(finished_at=build.NOW + timedelta(1)),
    ]

    assert {found.id for found in callbacks.due(ended(result="else"))} == ids
    assert {uuid.UUID(own).version for own in ids} == {7}
    assert all(ids.isdisjoint({one.id for one in callbacks.due(other)}) for other in others)


def test_the_pipeline_is_the_one_that_rows_are_recorded_for() -> None:
    [stage] = tasks.PIPELINE.stages
    assert (tasks.PIPELINE.kind, stage.task) == (callbacks.KIND, callbacks.TASK)
