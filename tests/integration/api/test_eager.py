from tests.integration.api import asking
from tests.integration.serving import Server


def test_a_job_runs_inside_the_request(eager: Server) -> None:
    job = asking.submit(eager.http)
    assert (job["state"], job["progress"]) == ("succeeded", 100.0)
    assert job["result"]["trail"] == ["first:ok", "second:ok", "last:ok"]


def test_a_failure_is_a_failed_job_and_no_failed_request(eager: Server) -> None:
    job = asking.submit(eager.http, plan={"first": ["permanent"]})
    want = {"type": "PermanentError", "message": "never", "retryable": False, "attempt": 1}
    assert (job["state"], job["stage"], job["error"]) == ("failed", "probe_first", want)
