"""Make a report: count, write a table, draw a chart."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from app.jobs.content_stores import Stores
from app.jobs.model.job import JobState
from app.jobs.model.work import Work
from app.jobs.store import job_statistics
from app.jobs.store.job_statistics import Counted
from app.pipelines import disk
from app.pipelines.report.schema import (
    Chunks,
    Day,
    Failure,
    JobFigures,
    KindFigures,
    Notifications,
    Report,
    ReportParams,
    RunTimes,
    Sources,
    StageTimes,
)
from app.storage.statistics import Span

Row = tuple[str, str, str, int | float]

HEADER = ("section", "name", "measure", "value")

COLOURS = {
    JobState.SUCCEEDED: "#3b8f5a",
    JobState.FAILED: "#c44536",
    JobState.CANCELLED: "#8a8a8a",
    JobState.RUNNING: "#2f6db3",
    JobState.QUEUED: "#a9c5e8",
}

KINDS_SHOWN = 15

JSON_NAME, CSV_NAME, PNG_NAME = "report.json", "report.csv", "report.png"


def count_jobs(stores: Stores, span: Span, *, chatbot_id: str | None) -> JobFigures:
    """The jobs that were created in the span."""
    figures = stores.job_statistics
    counted = figures.by_kind_and_state(span, chatbot_id=chatbot_id)
    by_day = figures.by_day_and_state(span, chatbot_id=chatbot_id)
    return JobFigures(
        total=sum(one.count for one in counted),
        by_state=_summed((one.names[1], one.count) for one in counted),
        kinds=_kinds(
            counted,
            run_times=figures.job_times(span, chatbot_id=chatbot_id),
            waiting_times=figures.waiting_times(span, chatbot_id=chatbot_id),
        ),
        stages=tuple(
            StageTimes(stage=one.name, run_time=RunTimes.model_validate(one))
            for one in figures.stage_times(span, chatbot_id=chatbot_id)
        ),
        failures=tuple(
            Failure(kind=one.names[0], error=one.names[1], count=one.count)
            for one in figures.failures(span, chatbot_id=chatbot_id)
        ),
        days=tuple(
            Day(
                date=day,
                by_state=_summed(
                    (one.names[1], one.count) for one in by_day if one.names[0] == day
                ),
            )
            for day in days_of(span)
        ),
    )


def count_sources(stores: Stores, span: Span, *, chatbot_id: str | None) -> tuple[Sources, Chunks]:
    """The sources that were added in the span, and their chunks."""
    found = stores.statistics.sources(span, chatbot_id=chatbot_id)
    return (
        Sources(total=sum(found.by_status.values()), by_status=found.by_status),
        Chunks(
            of_new_sources=found.chunks,
            tokens_of_new_sources=found.tokens,
            total=stores.chunks.count(chatbot_id=chatbot_id),
        ),
    )


def count_notifications(stores: Stores, span: Span) -> Notifications:
    """The notifications of the span."""
    found = stores.statistics.notifications(span)
    return Notifications(
        total=sum(found.by_type.values()),
        unread=found.unread,
        by_type=found.by_type,
        deliveries=found.deliveries,
    )


def days_of(span: Span) -> list[str]:
    """Each day (UTC) of the span."""
    first = span.since.date()
    last = (span.until - timedelta(microseconds=1)).date()
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _kinds(
    counted: Sequence[Counted],
    *,
    run_times: Iterable[job_statistics.Times],
    waiting_times: Iterable[job_statistics.Times],
) -> tuple[KindFigures, ...]:
    states: dict[str, dict[str, int]] = defaultdict(dict)
    for one in counted:
        kind, state = one.names
        states[kind][state] = one.count
    ran = {one.name: RunTimes.model_validate(one) for one in run_times}
    waited = {one.name: RunTimes.model_validate(one) for one in waiting_times}
    return tuple(
        KindFigures(
            kind=kind,
            total=sum(by_state.values()),
            by_state=by_state,
            run_time=ran.get(kind),
            waiting_time=waited.get(kind),
        )
        for kind, by_state in states.items()
    )


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """In the order of the states, without those that have no job."""
    total: Counter[str] = Counter()
    for name, count in pairs:
        total[name] += count
    return {state.value: total[state] for state in JobState if total[state]}


def write_table(report: Report, path: Path) -> None:
    """Write the table as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(table_rows(report))


def table_rows(report: Report) -> Iterator[Row]:
    """The figures, one per row. Names come from code, so that none starts a formula."""
    yield from _jobs(report)
    for status, count in report.sources.by_status.items():
        yield "sources", status, "count", count
    yield "chunks", "new sources", "count", report.chunks.of_new_sources
    yield "chunks", "new sources", "tokens", report.chunks.tokens_of_new_sources
    yield "chunks", "all", "count", report.chunks.total
    yield from _notifications(report)


def _jobs(report: Report) -> Iterator[Row]:
    for kind in report.jobs.kinds:
        for state, count in kind.by_state.items():
            yield "jobs", kind.kind, state, count
        yield from _times("run time", kind.kind, kind.run_time)
        yield from _times("waiting time", kind.kind, kind.waiting_time)
    for stage in report.jobs.stages:
        yield from _times("stage run time", stage.stage, stage.run_time)
    for failure in report.jobs.failures:
        yield "failures", failure.kind, failure.error, failure.count
    for day in report.jobs.days:
        for state, count in day.by_state.items():
            yield "days", day.date, state, count


def _times(section: str, name: str, times: RunTimes | None) -> Iterator[Row]:
    if times is not None:
        for measure in ("count", "mean_s", "p50_s", "p95_s", "max_s"):
            yield section, name, measure, getattr(times, measure)


def _notifications(report: Report) -> Iterator[Row]:
    if report.notifications is None:
        return
    for kind, count in report.notifications.by_type.items():
        yield "notifications", kind, "count", count
    yield "notifications", "all", "unread", report.notifications.unread
    for channel, states in report.notifications.deliveries.items():
        for state, count in states.items():
            yield "deliveries", channel, state, count


if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_chart(report: Report, path: Path, *, cache: Path) -> None:
    """Draw the chart as PNG. `cache` is the library's folder for its font cache."""
    cache.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MPLCONFIGDIR", str(cache))  # the home of a container may be read-only
    from matplotlib.figure import Figure  # half a second to import

    # Without pyplot: it has state that threads share.
    figure = Figure(figsize=(11, 8), layout="constrained")
    by_day, by_kind = figure.subplots(2, 1)
    figure.suptitle(f"Jobs from {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC")
    _draw_days(by_day, report)
    _draw_times(by_kind, report)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": "celeriac"})


def _draw_days(axes: "Axes", report: Report) -> None:
    days = report.jobs.days
    positions = list(range(len(days)))
    floor = [0] * len(days)
    for state, colour in COLOURS.items():
        counts = [day.by_state.get(state.value, 0) for day in days]
        if any(counts):
            axes.bar(positions, counts, bottom=floor, color=colour, label=state.value, width=0.85)
            floor = [below + count for below, count in zip(floor, counts, strict=True)]
    step = max(1, len(days) // 10)
    axes.set_xticks(positions[::step], [day.date[5:] for day in days[::step]])
    axes.set_ylabel("jobs created")
    axes.margins(y=0.2)  # space for the legend
    _say_when_empty(axes, is_empty=report.jobs.total == 0)


def _draw_times(axes: "Axes", report: Report) -> None:
    timed = [(kind.kind, kind.run_time) for kind in report.jobs.kinds if kind.run_time is not None]
    timed.sort(key=lambda pair: pair[1].p95_s, reverse=True)
    shown = timed[:KINDS_SHOWN]
    positions = list(range(len(shown)))
    axes.barh(positions, [times.p95_s for _, times in shown], color="#c8d6e5", label="95 %")
    axes.barh(
        positions, [times.p50_s for _, times in shown], color="#2f6db3", label="median", height=0.4
    )
    axes.set_yticks(positions, [kind for kind, _ in shown])
    axes.invert_yaxis()
    axes.set_xlabel("run time in seconds")
    _say_when_empty(axes, is_empty=not shown)


def _say_when_empty(axes: "Axes", *, is_empty: bool) -> None:
    if is_empty:
        axes.text(0.5, 0.5, "nothing in this period", ha="center", transform=axes.transAxes)
    else:
        axes.legend(loc="best", frameon=False)


def generate(params: ReportParams, work: Work) -> Report:
    """Count, and save the three files as artifacts. Raises StorageUnavailable, and the errors of
    `check`."""
    report = _collected(params, work)
    with disk.full_disk_retried():
        _store(report, work)
    work.progress(100, f"{report.jobs.total} jobs")
    return report


def _collected(params: ReportParams, work: Work) -> Report:
    span = params.span(datetime.now(UTC))
    work.progress(0, "counting jobs")
    jobs = count_jobs(work.stores, span, chatbot_id=params.chatbot_id)
    work.progress(40, "counting sources and notifications")
    sources, chunks = count_sources(work.stores, span, chatbot_id=params.chatbot_id)
    is_of_all = params.chatbot_id is None
    return Report(
        chatbot_id=params.chatbot_id,
        since=span.since,
        until=span.until,
        jobs=jobs,
        sources=sources,
        chunks=chunks,
        notifications=count_notifications(work.stores, span) if is_of_all else None,
        artifacts=(JSON_NAME, CSV_NAME, PNG_NAME),
    )


def _store(report: Report, work: Work) -> None:
    folder = work.directory
    (folder / JSON_NAME).write_text(report.model_dump_json(indent=2), encoding="utf-8")
    write_table(report, folder / CSV_NAME)
    work.progress(60, "drawing the chart")
    cache = work.settings.files.temp_dir / "matplotlib"
    draw_chart(report, folder / PNG_NAME, cache=cache)
    work.progress(80, "storing")
    for name, media_type in (
        (JSON_NAME, "application/json"),
        (CSV_NAME, "text/csv"),
        (PNG_NAME, "image/png"),
    ):
        work.save_artifact(folder / name, name=name, media_type=media_type)
