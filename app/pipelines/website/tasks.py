"""The website pipeline as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JobId, JsonObject
from app.pipelines import arguments, knowledge, workroom
from app.pipelines.website.schema import WebsiteParams


@shared_task(name="scrape_website", base=JobTask, bind=True)
def scrape_website(
    self: JobTask,
    source_id: str | None = None,
    url: str | None = None,
    chatbot_id: str | None = None,
    **others: object,
) -> JsonObject:
    """Make a bot know a web site; takes the fields of `WebsiteParams`."""
    from app.pipelines.website import process  # the splitter, which other workers do not need

    named = {"source_id": source_id, "url": url, "chatbot_id": chatbot_id}
    params = arguments.parsed(WebsiteParams, named | others)
    with workroom.removed_at_the_end(self.work):
        return process.process(params, self.work).model_dump(mode="json")


@shared_task(name="abandon_website", base=JobTask, bind=True)
def abandon_website(self: JobTask, job_id: str) -> None:
    """Mark the source of a job that failed or was cancelled, and remove the job's folder."""
    knowledge.abandon(self.platform.jobs.get(JobId(job_id)), self.work)
    workroom.remove(self.work)
