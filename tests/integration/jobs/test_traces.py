"""Traces of real jobs, received by a real receiver, whatever happens to the workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.model.job import FollowUp, JobId, JobRequest, JobState
from app.telemetry import trace_context
from tests.integration import running_platform
from tests.integration.running_platform import PROBE_QUEUES, RunningPlatform
from tests.sites import otlp
from tests.sites.otlp import ReceivedSpan, TraceReceiver
from tests.waiting import eventually

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STAGES = ("first", "second", "last")


@pytest.fixture
def receiver(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> Iterator[TraceReceiver]:
    with otlp.receiving() as found:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = found.url
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found


@pytest.fixture
def traced(
    receiver: TraceReceiver, environment: dict[str, str], tmp_path: Path
) -> Iterator[RunningPlatform]:
    """All pipelines, with a worker of two processes, and beat."""
    with running_platform.opened(environment, tmp_path) as found:
        found.worker([*PROBE_QUEUES, "notifications"], pool="prefork")
        found.beat()
        yield found


def submit(
    running: RunningPlatform, plan: dict[str, list[str]], *, traceparent: str | None = None
) -> JobId:
    context = None if traceparent is None else trace_context.parse(traceparent)
    with trace_context.continuing(context):
        return running.jobs.submit(JobRequest(pipeline="probe", params={"plan": plan})).id


def whole(receiver: TraceReceiver, job_id: JobId) -> list[ReceivedSpan]:
    """The spans of a job, once that of the job itself has come."""

    def arrived() -> list[ReceivedSpan]:
        found = receiver.of_job(job_id)
        return found if any(span.name.startswith("job ") for span in found) else []

    return eventually(arrived, why=f"the trace of {job_id}")


def assert_connected(spans: list[ReceivedSpan], *, to: str = "") -> None:
    """One trace, whose spans all hang together below the one with the parent `to`."""
    assert len({span.trace_id for span in spans}) == 1
    ids = {span.span_id for span in spans}
    assert [span.parent_id for span in spans if span.parent_id not in ids] == [to]


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_worker_leaves_its_span_in_one_connected_trace(
    traced: RunningPlatform, receiver: TraceReceiver, stage: str
) -> None:
    job_id = submit(traced, {stage: ["crash", "ok"]})
    assert traced.ended(job_id).state is JobState.SUCCEEDED
    spans = whole(receiver, job_id)
    assert_connected(spans)
    assert spans[0].trace_id == job_id.replace("-", "")
    runs = [span for span in spans if span.kind == "CONSUMER"]
    lost = [span for span in runs if span.attributes["celeriac.run.outcome"] == "lost"]
    assert [(span.attributes["celeriac.job.stage"], span.is_error) for span in lost] == [
        (f"probe_{stage}", True)
    ]
    assert lost[0].attributes["error.type"] == "lost"
    assert len(runs) == len(STAGES) + 1
    assert sum(span.name.startswith("wait ") for span in spans) == len(runs)


def test_a_retry_continues_the_trace_of_the_client(
    traced: RunningPlatform, receiver: TraceReceiver
) -> None:
    job_id = submit(traced, {"first": ["retryable", "ok"]}, traceparent=CLIENT)
    traced.ended(job_id)
    spans = whole(receiver, job_id)
    assert_connected(spans, to="b7ad6b7169203331")
    assert {span.trace_id for span in spans} == {"0af7651916cd43dd8448eb211c80319c"}
    outcomes = [
        (span.attributes["celeriac.job.attempt"], span.attributes["celeriac.run.outcome"])
        for span in spans
        if span.name == "process default"
    ]
    assert outcomes == [(1, "retried"), (2, "succeeded")]
    [delay] = [span for span in spans if span.name == "delay default"]
    assert delay.attributes["celeriac.delay.reason"] == "retry"


def test_a_callback_and_the_job_it_submits_are_in_the_trace(
    traced: RunningPlatform, receiver: TraceReceiver
) -> None:
    follow_up = FollowUp(kind="probe", params={"name": "second"})
    job = traced.jobs.submit(JobRequest(pipeline="probe", params={}, on_success=follow_up))
    whole(receiver, job.id)

    def of_three_jobs() -> list[ReceivedSpan]:
        spans = [span for span in receiver.spans if span.trace_id == job.id.replace("-", "")]
        return spans if sum(span.name.startswith("job ") for span in spans) == 3 else []

    spans = eventually(of_three_jobs, why="the trace of the job, its callback, and what follows")
    assert_connected(spans)
    kinds = [span.attributes["celeriac.job.kind"] for span in spans if span.name.startswith("job ")]
    assert kinds == ["probe", "callback", "probe"]


def test_spans_wait_for_a_receiver_that_is_away(
    receiver: TraceReceiver, traced: RunningPlatform
) -> None:
    receiver.refusals = 3
    job_id = submit(traced, {})
    traced.ended(job_id)
    assert_connected(whole(receiver, job_id))


def test_an_unsampled_client_is_not_traced(
    traced: RunningPlatform, receiver: TraceReceiver
) -> None:
    quiet = submit(traced, {}, traceparent=f"{CLIENT[:-1]}0")
    traced.ended(quiet)
    loud = submit(traced, {})
    whole(receiver, loud)
    assert receiver.of_job(quiet) == []
