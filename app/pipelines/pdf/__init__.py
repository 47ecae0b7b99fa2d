"""The pages of a PDF: their text, recognised where there is none, and their pictures."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.pdf.schema import PdfParams

_QUEUE = queues.BY_NAME["pdf"].name

PIPELINE = Pipeline(
    kind="pdf",
    summary="The text of each page of a PDF, by OCR where there is none, and its pictures",
    params=PdfParams,
    stages=(Stage(task="process_pdf_document", queue=_QUEUE),),
    finalizer=Stage(task="abandon_pdf_document", queue=_QUEUE),
    tasks_module="app.pipelines.pdf.tasks",
)

__all__ = ["PIPELINE"]
