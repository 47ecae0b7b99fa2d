"""A job as others see it: the API, events, webhooks and callbacks show one set of fields."""

import json

from app.api.links import Links
from app.api.views import JobView
from app.jobs.model import job_document
from app.jobs.model.job import Artifact, FollowUp, JobError, JobState, Progress
from app.jobs.publish import job_events
from tests.unit.jobs import build

WHOLE = build.job(
    state=JobState.FAILED,
    params={"a": [1, None]},
    labels={"b": "c"},
    artifacts=(Artifact(name="a.mp3", media_type="audio/mpeg", size_bytes=3, sha256="abc"),),
    error=JobError(type="NotFound", message="no page", retryable=False, attempt=2),
    on_failure=FollowUp(task="shop.refund", params={"n": 1}),
    finished_at=build.NOW,
)
COUNTS = {JobState.SUCCEEDED: 2, JobState.RUNNING: 1}


def test_callbacks_and_the_api_show_the_same() -> None:
    """But for the form of moments, addresses of artifacts, and what a follow-up leaves out."""
    told = job_document.job_json(WHOLE, counts=COUNTS)
    shown = JobView.whole(WHOLE, links=Links(), counts=COUNTS).model_dump(mode="json")

    moment = build.NOW.isoformat()
    assert (told["created_at"], told["finished_at"]) == (moment, moment)
    assert shown["artifacts"] == [
        {**told["artifacts"][0], "url": f"/api/v1/jobs/{WHOLE.id}/artifacts/a.mp3"}
    ]
    assert told["on_failure"] == {"task": "shop.refund", "params": {"n": 1}}
    alike = set(told) - {"created_at", "finished_at", "artifacts", "on_failure"}
    assert {name: told[name] for name in alike} == {name: shown[name] for name in alike}
    assert set(told) == set(shown)


def test_a_job_is_json() -> None:
    told = job_document.job_json(WHOLE, counts=COUNTS)

    assert json.loads(json.dumps(told)) == told


def test_events_tell_a_part_of_it() -> None:
    told = job_document.job_json(WHOLE)

    assert job_events.state_data(WHOLE) == {
        **{name: told[name] for name in ("state", "stage", "attempt", "progress", "message")},
        "error": {"type": "NotFound", "message": "no page"},
    }


def test_progress_is_that_of_the_last_event_unless_the_row_is_ahead() -> None:
    job = build.job(progress=40.0, message="in the row")

    ahead = job_document.job_document(job, seen=Progress(progress=50.0, message="seen", speed="2x"))
    behind = job_document.job_document(job, seen=Progress(progress=30.0, message="seen"))

    assert (ahead["progress"], ahead["message"], ahead["speed"]) == (50.0, "seen", "2x")
    assert (behind["progress"], behind["message"], behind["speed"]) == (40.0, "in the row", None)
