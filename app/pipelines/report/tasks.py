"""The stage of the report pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import discarding, stage
from app.jobs.model.work import Work
from app.pipelines.report.schema import Report, ReportParams


@stage("generate_analytics_report", queue="default", positional=("chatbot_id", "period"))
def generate_analytics_report(params: ReportParams, work: Work) -> Report:
    from app.pipelines.report import render  # the queries, which the API does not need

    return render.generate(params, work)


PIPELINE = Pipeline(
    kind="report",
    summary="Report the figures of a period from the platform's tables: JSON, CSV and a chart",
    params=ReportParams,
    stages=(generate_analytics_report,),
    finalizer=discarding("discard_report_files", queue="default"),
)
