"""The report pipeline as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.report.schema import ReportParams


@shared_task(name="generate_analytics_report", base=JobTask, bind=True)
def generate_analytics_report(
    self: JobTask, chatbot_id: str | None = None, period: str | None = None, **others: object
) -> JsonObject:
    """Make a report; takes the fields of `ReportParams`."""
    from app.pipelines.report import generate  # the queries, which the API does not need

    params = arguments.parsed(ReportParams, {"chatbot_id": chatbot_id, "period": period} | others)
    with workroom.removed_at_the_end(self.work):
        return generate.generate(params, self.work).model_dump(mode="json")


@shared_task(name="discard_report_files", base=JobTask, bind=True)
def discard_report_files(self: JobTask, job_id: str) -> None:
    """Remove the folder of a job that failed or was cancelled; `job_id` is that job."""
    workroom.remove(self.work)
