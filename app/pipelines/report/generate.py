"""Make a report: figures, table, chart."""

from datetime import UTC, datetime

from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.report import chart, figures, table
from app.pipelines.report.schema import Report, ReportParams

JSON_NAME, CSV_NAME, PNG_NAME = "report.json", "report.csv", "report.png"


def generate(params: ReportParams, work: Work) -> Report:
    """Count, and store the three files as artifacts. Raises StorageUnavailable, and what the work
    raises to stop."""
    report = _gathered(params, work)
    with disk.watched():
        _store(report, work)
    work.progress(100, f"{report.jobs.total} jobs")
    return report


def _gathered(params: ReportParams, work: Work) -> Report:
    span = params.span(datetime.now(UTC))
    work.progress(0, "counting jobs")
    jobs = figures.jobs(work.platform, span, chatbot_id=params.chatbot_id)
    work.progress(40, "counting sources and notifications")
    sources, chunks = figures.sources(work.platform, span, chatbot_id=params.chatbot_id)
    is_of_all = params.chatbot_id is None
    return Report(
        chatbot_id=params.chatbot_id,
        since=span.since,
        until=span.until,
        jobs=jobs,
        sources=sources,
        chunks=chunks,
        notifications=figures.notifications(work.platform, span) if is_of_all else None,
        artifacts=(JSON_NAME, CSV_NAME, PNG_NAME),
    )


def _store(report: Report, work: Work) -> None:
    folder = work.directory
    (folder / JSON_NAME).write_text(report.model_dump_json(indent=2), encoding="utf-8")
    table.write(report, folder / CSV_NAME)
    work.progress(60, "drawing the chart")
    cache = work.platform.settings.files.temp_dir / "matplotlib"
    chart.draw(report, folder / PNG_NAME, cache=cache)
    work.progress(80, "storing")
    for name, media_type in (
        (JSON_NAME, "application/json"),
        (CSV_NAME, "text/csv"),
        (PNG_NAME, "image/png"),
    ):
        work.save_artifact(folder / name, name=name, media_type=media_type)
