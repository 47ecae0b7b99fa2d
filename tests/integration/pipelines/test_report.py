"""Reports by value, from rows of known times, over both databases."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import insert

from app.jobs.model.job import JobState
from app.jobs.platform import Platform
from app.jobs.store import rows
from app.pipelines.report import render
from app.pipelines.report.schema import (
    Chunks,
    Day,
    Failure,
    KindFigures,
    Notifications,
    Report,
    ReportParams,
    RunTimes,
    Sources,
    StageTimes,
)
from app.storage import schema
from app.storage.chunks import NewChunk
from app.storage.notification_store import Channel, DeliveryState, NewNotification
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
LAST_MOMENT = datetime(2026, 3, 3, 23, 59, 59, 999_000, tzinfo=UTC)
MARCH = ReportParams.model_validate({"period": "2026-03-01/2026-03-03"})

STATE = JobState


@pytest.fixture
def work(open_work: OpenWork, database_url: str) -> RecordedWork:
    return open_work(DATABASE_URL=database_url)


def job(
    platform: Platform,
    kind: str,
    state: JobState,
    at: datetime,
    *,
    waited_s: float = 1,
    ran_s: float | None = None,
    **fields: Any,
) -> str:
    """A job that was created then; one that ran has a run of the stage `<kind>_stage`."""
    started_at = at + timedelta(seconds=waited_s)
    finished_at = started_at + timedelta(seconds=ran_s) if ran_s is not None else None
    row = {
        "id": rows.new_id(),
        "pipeline": kind,
        "params": {},
        "state": state.value,
        "stage": f"{kind}_stage",
        "progress": 0.0,
        "message": "",
        "labels": {},
        "cancel_requested": False,
        "finalizer_due": False,
        "created_at": at,
        "started_at": started_at if ran_s is not None else None,
        "finished_at": finished_at,
        **dict.fromkeys(("fence", "attempt", "max_attempts", "deliveries"), 1),
        **dict.fromkeys(("priority", "finalizer_runs"), 5),
        **fields,
    }
    run = {
        "job_id": row["id"],
        "fence": 1,
        "stage": row["stage"],
        "attempt": 1,
        "worker": "w",
        "pid": 1,
        "started_at": started_at,
        "ended_at": finished_at,
        "outcome": "succeeded",
    }
    with platform.database.write() as connection:
        connection.execute(insert(schema.jobs).values(row))
        if ran_s is not None:
            connection.execute(insert(schema.runs).values(run))
    return str(row["id"])


def error(type: str) -> dict[str, Any]:
    return {"type": type, "message": "m", "retryable": False, "attempt": 1}


def fill(platform: Platform) -> None:
    """Three days in March, with more before and after."""
    for second in range(1, 21):  # 1 s to 20 s
        job(platform, "media", STATE.SUCCEEDED, FIRST + timedelta(seconds=second), ran_s=second)
    bot = {"chatbot_id": "bot"}
    noon = FIRST + timedelta(days=1, hours=12)
    job(platform, "document", STATE.SUCCEEDED, noon, waited_s=3, ran_s=0.25, params=bot)
    for kind in ("NotFound", "NotFound", "LimitExceeded"):
        job(platform, "document", STATE.FAILED, noon, ran_s=9, params=bot, error=error(kind))
    job(platform, "video-batch", STATE.CANCELLED, LAST_MOMENT, params={"bot_id": "bot"})
    job(platform, "media", STATE.QUEUED, LAST_MOMENT)
    for outside in (FIRST - timedelta(microseconds=1), LAST_MOMENT + timedelta(milliseconds=1)):
        job(platform, "media", STATE.FAILED, outside, ran_s=500, error=error("Outside"))


def fill_sources(platform: Platform) -> None:
    for name, bot, day in (("a", "bot", 1), ("b", "other", 2), ("late", "bot", 9)):
        source = platform.stores.sources.create(chatbot_id=bot, filename=name, source_id=name)
        platform.stores.sources.mark_ready(source.id) if name != "b" else None
        pieces = [NewChunk(text=f"{name}{n}", tokens=10, metadata={}) for n in range(day)]
        platform.stores.chunks.replace(name, pieces, chatbot_id=bot)
        _move(platform, schema.sources, name, FIRST + timedelta(days=day))


def fill_notifications(platform: Platform) -> None:
    store = platform.stores.notifications
    for key, kind, day in (("a", "info", 1), ("b", "info", 2), ("c", "alert", 2), ("d", "info", 9)):
        new = NewNotification(key=key, user_id="u", type=kind, title=key, message="", data={})
        made = store.ensure(new, {Channel.WEBHOOK: "https://example.com/", Channel.EMAIL: "a@b.c"})
        state = DeliveryState.FAILED if key == "c" else DeliveryState.DELIVERED
        store.attempted(made.id, Channel.WEBHOOK, state=state)
        _move(platform, schema.notifications, made.id, FIRST + timedelta(days=day))
        if key == "a":
            store.mark(made.id, is_read=True)


def _move(platform: Platform, table: Any, row_id: str, at: datetime) -> None:
    with platform.database.write() as connection:
        connection.execute(table.update().where(table.c.id == row_id).values(created_at=at))


def times(count: int, mean: float, p50: float, p95: float, most: float) -> RunTimes:
    return RunTimes(count=count, mean_s=mean, p50_s=p50, p95_s=p95, max_s=most)


def test_a_report_counts_what_was_done_in_its_days(work: RecordedWork) -> None:
    fill(work.platform)
    fill_sources(work.platform)
    fill_notifications(work.platform)

    report = render.generate(MARCH, work)

    assert (report.since, report.until) == (FIRST, FIRST + timedelta(days=3))
    assert report.jobs.total == 26
    assert report.jobs.by_state == {"queued": 1, "succeeded": 21, "failed": 3, "cancelled": 1}
    assert report.jobs.kinds == (
        KindFigures(
            kind="document",
            total=4,
            by_state={"failed": 3, "succeeded": 1},
            run_time=times(1, 0.25, 0.25, 0.25, 0.25),
            waiting_time=times(4, 1.5, 1, 3, 3),
        ),
        KindFigures(
            kind="media",
            total=21,
            by_state={"queued": 1, "succeeded": 20},
            run_time=times(20, 10.5, 10, 19, 20),
            waiting_time=times(20, 1, 1, 1, 1),
        ),
        KindFigures(
            kind="video-batch",
            total=1,
            by_state={"cancelled": 1},
            run_time=None,
            waiting_time=None,
        ),
    )
    assert report.jobs.stages == (
        StageTimes(stage="document_stage", run_time=times(4, 6.812, 9, 9, 9)),
        StageTimes(stage="media_stage", run_time=times(20, 10.5, 10, 19, 20)),
    )
    assert report.jobs.failures == (
        Failure(kind="document", error="LimitExceeded", count=1),
        Failure(kind="document", error="NotFound", count=2),
    )
    assert report.jobs.days == (
        Day(date="2026-03-01", by_state={"succeeded": 20}),
        Day(date="2026-03-02", by_state={"succeeded": 1, "failed": 3}),
        Day(date="2026-03-03", by_state={"queued": 1, "cancelled": 1}),
    )
    assert report.sources == Sources(total=2, by_status={"ready": 1, "processing": 1})
    assert report.chunks == Chunks(of_new_sources=3, tokens_of_new_sources=30, total=12)
    assert report.notifications == Notifications(
        total=3,
        unread=2,
        by_type={"alert": 1, "info": 2},
        deliveries={"email": {"pending": 3}, "webhook": {"delivered": 2, "failed": 1}},
    )


def test_a_report_of_one_bot_leaves_the_others_out(work: RecordedWork) -> None:
    fill(work.platform)
    fill_sources(work.platform)
    params = ReportParams.model_validate({"period": "2026-03-01/2026-03-03", "chatbot_id": "bot"})

    report = render.generate(params, work)

    assert {kind.kind: kind.total for kind in report.jobs.kinds} == {
        "document": 4,
        "video-batch": 1,
    }
    assert [stage.stage for stage in report.jobs.stages] == ["document_stage"]
    assert report.sources == Sources(total=1, by_status={"ready": 1})
    assert report.chunks == Chunks(of_new_sources=1, tokens_of_new_sources=10, total=10)
    assert report.notifications is None


def test_texts_that_a_database_cannot_read_are_no_obstacle(work: RecordedWork) -> None:
    odd = "NUL \x00, half \ud800, both \U0001f600\x00\\\x00, text \\u0000 and \\"
    bot = {"chatbot_id": "bot", "odd": odd, odd: 1}
    failure = {**error("NotFound"), "message": odd}
    job(work.platform, "media", STATE.FAILED, FIRST, ran_s=1, params=bot, error=failure)
    params = ReportParams.model_validate({"period": "2026-03-01/2026-03-03", "chatbot_id": "bot"})

    report = render.generate(params, work)

    assert report.jobs.failures == (Failure(kind="media", error="NotFound", count=1),)


def test_the_artifacts_say_the_same(open_work: OpenWork) -> None:
    work = open_work()
    fill(work.platform)

    report = render.generate(MARCH, work)

    table = list(csv.reader(io.StringIO(work.artifact("report.csv").decode())))
    assert Report.model_validate(json.loads(work.artifact("report.json"))) == report
    assert table[0] == ["section", "name", "measure", "value"]
    assert ["jobs", "media", "succeeded", "20"] in table
    assert ["run time", "media", "p95_s", "19.0"] in table
    assert ["failures", "document", "NotFound", "2"] in table
    assert ["days", "2026-03-02", "failed", "3"] in table
    with Image.open(io.BytesIO(work.artifact("report.png"))) as picture:
        assert (picture.format, picture.size) == ("PNG", (1100, 800))
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24) or []}
    assert {(0x3B, 0x8F, 0x5A), (0xC4, 0x45, 0x36), (0x2F, 0x6D, 0xB3)} <= colours
    assert work.percents == sorted(work.percents)


def test_a_period_without_anything_is_a_report_as_well(work: RecordedWork) -> None:
    report = render.generate(ReportParams.model_validate({"period": "7d"}), work)

    assert (report.jobs.total, report.jobs.kinds, report.jobs.failures) == (0, (), ())
    assert len(report.jobs.days) == 8  # seven days end in the midst of the eighth
    assert work.artifact("report.png").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({"period": "90d"}, timedelta(days=90)),
        ({}, timedelta(days=30)),
        ({"date_from": "2026-02-01", "date_to": "2026-02-01"}, timedelta(days=1)),
        ({"date_from": "2026-02-01"}, timedelta(days=3)),
    ],
)
def test_a_period_is_as_long_as_it_says(given: dict[str, str], want: timedelta) -> None:
    now = datetime(2026, 2, 3, 12, tzinfo=UTC)
    params = ReportParams.model_validate(given)

    span = params.span(now)

    assert span.until - span.since == want


@pytest.mark.parametrize(
    "given",
    [
        {"period": "7"},
        {"period": "0d"},
        {"period": "999d"},
        {"period": "2026-02-02/2026-02-01"},
        {"period": "2026-02-30/2026-03-01"},
        {"period": "0001-01-01/9999-12-31"},
        {"period": "7d", "date_from": "2026-02-01"},
        {"date_to": "2026-02-01"},
        {"date_from": "2999-01-01"},
    ],
)
def test_what_is_no_period_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        ReportParams.model_validate(given)
