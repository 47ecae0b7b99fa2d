"""The stage of the pdf pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import discarding, stage
from app.jobs.model.work import Work
from app.pipelines.pdf import process
from app.pipelines.pdf.schema import PdfParams, ReadPdf


@stage("process_pdf_document", queue="pdf", positional=("pdf_path", "extract_images"))
def process_pdf_document(params: PdfParams, work: Work) -> ReadPdf:
    return process.process(params, work)


PIPELINE = Pipeline(
    kind="pdf",
    summary="Extract the text of each page of a PDF, by OCR if necessary, and its pictures",
    params=PdfParams,
    stages=(process_pdf_document,),
    finalizer=discarding("abandon_pdf_document", queue="pdf"),
)
