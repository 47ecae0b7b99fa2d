"""The PDF pipeline as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.pdf import process
from app.pipelines.pdf.schema import PdfParams


@shared_task(name="process_pdf_document", base=JobTask, bind=True)
def process_pdf_document(
    self: JobTask,
    pdf_path: str | None = None,
    extract_images: bool = True,  # noqa: FBT001, FBT002  # callers of old give it by position
    **others: object,
) -> JsonObject:
    """Read the pages of a PDF; takes the fields of `PdfParams`."""
    named = {"pdf_path": pdf_path, "extract_images": extract_images}
    params = arguments.parsed(PdfParams, named | others)
    with workroom.removed_at_the_end(self.work):
        return process.process(params, self.work).model_dump(mode="json")


@shared_task(name="abandon_pdf_document", base=JobTask, bind=True)
def abandon_pdf_document(self: JobTask, job_id: str) -> None:
    """Remove the folder of a job that failed or was cancelled."""
    workroom.remove(self.work)
