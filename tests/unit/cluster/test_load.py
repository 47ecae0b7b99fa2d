"""What the cluster's tests of upgrades take for a job that a rollout has left alone."""

import pytest

from tests.cluster.chart.load import Ended

DOWNLOAD, CONVERT = ("download_audio", "succeeded"), ("convert_to_mp3", "succeeded")
WHOLE = [DOWNLOAD, CONVERT, ("cleanup_temp_files", "succeeded")]
RETRIED = ("download_audio", "retried")


@pytest.mark.parametrize(
    ("state", "runs", "retried_after", "want"),
    [
        pytest.param("succeeded", WHOLE, [], True, id="each stage once"),
        pytest.param(
            "succeeded", [RETRIED, *WHOLE], ["RetryableError"], True, id="a site that was too slow"
        ),
        pytest.param(
            "succeeded", [RETRIED, *WHOLE], ["WorkerStopped"], False, id="ended with its worker"
        ),
        pytest.param(
            "succeeded", [("download_audio", "lost"), *WHOLE], [], False, id="a lost worker"
        ),
        pytest.param("succeeded", [DOWNLOAD, *WHOLE], [], False, id="a stage that succeeded twice"),
        pytest.param("succeeded", WHOLE[1:], [], False, id="a stage that never ran"),
        pytest.param("failed", WHOLE, [], False, id="a failure"),
    ],
)
def test_a_rollout_leaves_a_job_alone(
    state: str, runs: list[tuple[str, str]], retried_after: list[str], *, want: bool
) -> None:
    ended = Ended(id="j", kind="media", state=state, runs=runs, retried_after=retried_after)
    assert ended.is_untouched is want
