"""The text of a document as chunks that a bot can find."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.document.schema import DocumentParams

_QUEUE = queues.BY_NAME["documents"].name

PIPELINE = Pipeline(
    kind="document",
    summary="A PDF, DOCX, XLSX, CSV or text file as chunks for retrieval",
    params=DocumentParams,
    stages=(
        Stage(task="process_document", imports=("app.pipelines.document.process",), queue=_QUEUE),
    ),
    finalizer=Stage(task="abandon_document", queue=_QUEUE),
    tasks_module="app.pipelines.document.tasks",
)

__all__ = ["PIPELINE"]
