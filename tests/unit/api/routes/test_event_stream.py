import pytest

from app.api.routes import jobs as stream
from app.jobs.publish import job_events
from app.jobs.publish.job_events import EventKind, JobEvent


def test_an_event_on_the_wire() -> None:
    data = {"state": "running", "message": "two\nlines"}
    event = JobEvent(id="5-0", kind=EventKind.PROGRESS, data=data)
    want = 'id: 5-0\nevent: progress\ndata: {"state": "running", "message": "two\\nlines"}\n\n'
    assert stream.wire_form(event) == want


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param(None, job_events.FIRST_ID, id="a new client"),
        pytest.param("1700000000000-3", "1700000000000-3", id="one that comes again"),
        pytest.param("$", job_events.FIRST_ID, id="a word of Redis'"),
        pytest.param("", job_events.FIRST_ID, id="nothing"),
        pytest.param("9" * 30 + "-0", job_events.FIRST_ID, id="a number too large"),
    ],
)
def test_only_ids_of_ours_are_gone_on_from(given: str | None, want: str) -> None:
    assert stream.position(given) == want
