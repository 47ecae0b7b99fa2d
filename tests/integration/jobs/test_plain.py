"""The same tasks as plain Celery: no row, results by JSON, Celery's own retries."""

import pytest
from celery.result import AsyncResult

from app.errors import PermanentError
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually


def given(act: str) -> dict[str, object]:
    return {"name": "probe", "plan": {"second": [act, "ok"]}, "trail": []}


def send(running: RunningPlatform, act: str) -> AsyncResult:
    return running.platform.celery.send_task("probe_second", (given(act),))


def test_a_plain_call_gives_its_result(standing: RunningPlatform) -> None:
    found = send(standing, "ok").get(timeout=30)

    assert found == {**given("ok"), "trail": ["second:ok"]}


def test_a_plain_call_leaves_no_row(standing: RunningPlatform) -> None:
    before = standing.jobs.counts_by_state()

    send(standing, "ok").get(timeout=30)

    assert standing.jobs.counts_by_state() == before


def test_a_chain_of_plain_calls_hands_its_results_on(standing: RunningPlatform) -> None:
    celery = standing.platform.celery
    chain = (
        celery.signature("probe_first", kwargs={"name": "chained"})
        | celery.signature("probe_second")
        | celery.signature("probe_last")
    )

    found = chain.apply_async().get(timeout=30)

    assert found["trail"] == ["first:ok", "second:ok", "last:ok"]


def test_a_plain_call_is_retried_by_celery(standing: RunningPlatform) -> None:
    found = send(standing, "retryable").get(timeout=30)

    assert found["trail"] == ["second:ok"]


def test_a_plain_call_tells_its_progress(standing: RunningPlatform) -> None:
    result = send(standing, "spin:3")

    meta = eventually(lambda: result.info if result.state == "PROGRESS" else None)

    assert meta == {"progress": 1, "message": "second begins", "speed": None, "eta_seconds": None}
    result.get(timeout=30)


def test_a_plain_failure_is_raised_at_the_caller(standing: RunningPlatform) -> None:
    with pytest.raises(PermanentError, match="never"):
        send(standing, "permanent").get(timeout=30)


def test_a_task_called_as_a_function_runs_here(standing: RunningPlatform) -> None:
    celery = standing.platform.celery
    celery.loader.import_default_modules()

    assert celery.tasks["probe_second"](given("ok"))["trail"] == ["second:ok"]


def test_tasks_that_one_task_sends_have_folders_of_their_own(standing: RunningPlatform) -> None:
    """Celery gives all of them the same root id."""
    platform = standing.platform
    sent = [
        platform.celery.send_task("probe_finalizer", (name,), root_id="one-root")  # as in a task
        for name in ("one", "two")
    ]
    assert [each.get(timeout=30) for each in sent] == ["one", "two"]
    folders = {path.name for path in platform.settings.files.temp_dir.iterdir() if path.is_dir()}
    assert {f"plain-{each.id}" for each in sent} <= folders
    assert not any("one-root" in name for name in folders)
