"""The stage of the document pipeline."""

from app.jobs.model.job import Job
from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import finalizer, stage
from app.jobs.model.work import Work
from app.pipelines import source_progress
from app.pipelines.document.schema import DocumentParams, Processed


@stage(
    "process_document",
    queue="documents",
    positional=("source_id", "file_path", "chatbot_id"),
)
def process_document(params: DocumentParams, work: Work) -> Processed:
    from app.pipelines.document import process  # the splitter, which other workers do not need

    return process.process(params, work)


@finalizer("abandon_document", queue="documents")
def abandon_document(job: Job, work: Work) -> None:
    """Mark the source of a job that failed or was cancelled."""
    source_progress.fail_unfinished(job, work)


PIPELINE = Pipeline(
    kind="document",
    summary="Split a PDF, DOCX, XLSX, CSV or text file into chunks for retrieval",
    params=DocumentParams,
    stages=(process_document,),
    finalizer=abandon_document,
)
