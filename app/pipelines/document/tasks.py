"""The document pipeline as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JobId, JsonObject
from app.pipelines import arguments, knowledge, workroom
from app.pipelines.document.schema import DocumentParams


@shared_task(name="process_document", base=JobTask, bind=True)
def process_document(
    self: JobTask,
    source_id: str | None = None,
    file_path: str | None = None,
    chatbot_id: str | None = None,
    **others: object,
) -> JsonObject:
    """Make a bot know a document; takes the fields of `DocumentParams`."""
    from app.pipelines.document import process  # the splitter, which other workers do not need

    named = {"source_id": source_id, "file_path": file_path, "chatbot_id": chatbot_id}
    params = arguments.parsed(DocumentParams, named | others)
    with workroom.removed_at_the_end(self.work):
        return process.process(params, self.work).model_dump(mode="json")


@shared_task(name="abandon_document", base=JobTask, bind=True)
def abandon_document(self: JobTask, job_id: str) -> None:
    """Mark the source of a job that failed or was cancelled, and remove the job's folder."""
    knowledge.abandon(self.platform.jobs.get(JobId(job_id)), self.work)
    workroom.remove(self.work)
