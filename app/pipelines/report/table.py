"""A report as one table in CSV: section, name, measure, value."""

import csv
from collections.abc import Iterator
from pathlib import Path

from app.pipelines.report.schema import Report, Times

Row = tuple[str, str, str, int | float]

HEADER = ("section", "name", "measure", "value")


def write(report: Report, path: Path) -> None:
    """Write the table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows(report))


def rows(report: Report) -> Iterator[Row]:
    """The figures, one a row. Names are those of code; none begins as a formula does."""
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


def _times(section: str, name: str, times: Times | None) -> Iterator[Row]:
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
