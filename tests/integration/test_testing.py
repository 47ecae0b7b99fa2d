"""`app.testing`: what authors of pipelines test with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import testing
from app.errors import Cancelled, InvalidInput
from app.jobs.model.job import JobState
from app.testing import EagerPlatform, ProgressReport
from tests import letters
from tests.letters import LettersParams


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EagerPlatform]:
    folder = tmp_path_factory.mktemp("eager")
    with testing.eager_platform(folder, "tests.letters", "tests.probe") as found:
        yield found


def test_a_job_has_run_when_it_is_submitted(platform: EagerPlatform) -> None:
    job = platform.submit("probe", plan={"second": ["retryable", "artifact:note.txt"]})
    assert (job.state, job.result["trail"][-1]) == (JobState.SUCCEEDED, "last:ok")
    assert platform.artifact(job, "note.txt") == b"note.txt of attempt 2"


def test_parameters_that_do_not_fit_are_refused(platform: EagerPlatform) -> None:
    with pytest.raises(InvalidInput, match="text: Field required"):
        platform.submit("letters")


def test_a_stage_is_called_with_work_that_records_its_progress(platform: EagerPlatform) -> None:
    work = platform.work()
    assert letters.count_letters(LettersParams(text="word"), work).letters == 4
    work.progress(50, "half", speed="2 MB/s")
    assert work.reports == [ProgressReport(percent=50, message="half", speed="2 MB/s")]
    assert work.percents == [50]


def test_recorded_work_is_cancelled_at_a_report(platform: EagerPlatform) -> None:
    work = platform.work()
    work.cancel_when = lambda report: report.percent > 10
    work.progress(10)
    with pytest.raises(Cancelled):
        work.progress(11)


def test_what_recorded_work_saves_can_be_read(platform: EagerPlatform, tmp_path: Path) -> None:
    file = tmp_path / "note"
    file.write_bytes(b"text")
    saved = platform.work().save_artifact(file, name="note.txt", media_type="text/plain")
    assert (saved.name, saved.size_bytes) == ("note.txt", 4)
    assert platform.work().artifact("note.txt") == b"text"
