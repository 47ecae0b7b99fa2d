"""Read a PDF: fetch it, read its pages, keep their text and pictures."""

import hashlib
import json
from pathlib import Path

from app.documents.pdf_options import PdfOptions
from app.jobs.work import Work
from app.pipelines import disk, inputs
from app.pipelines.pdf import reading
from app.pipelines.pdf.reading import Read
from app.pipelines.pdf.schema import PageText, PdfParams, ReadPdf
from app.settings import PdfSettings

TEXT_ARTIFACT = "pages.json"

_FILE, _IMAGES = "input.pdf", "images"


def process(params: PdfParams, work: Work) -> ReadPdf:
    """Everything on the pages of the file.

    Raises NotFound (no such file), InvalidInput, PasswordNeeded, UnsupportedFormat, LimitExceeded,
    StorageUnavailable, and what the work raises to stop.
    """
    with disk.watched():
        work.progress(0, "fetching the file")
        given = {"upload_id": params.upload_id, "path": params.pdf_path}
        path = inputs.fetched(work, work.directory / _FILE, **given)
        spool = work.directory / TEXT_ARTIFACT
        found = reading.read(
            path,
            spool=spool,
            folder=work.directory / _IMAGES,
            options=_options(params, work),
            work=work,
        )
        work.progress(reading.READ_PERCENT, "storing the text")
        answer = _answer(params, found, spool, work, name=inputs.name_of(work, **given))
    work.progress(100, f"read {answer.page_count} pages")
    return answer


def _options(params: PdfParams, work: Work) -> PdfOptions:
    settings = work.platform.settings.pdf
    tessdata = settings.tessdata_dir
    return PdfOptions(
        pages=settings.page_limit,
        characters=settings.character_limit,
        objects=settings.object_limit,
        has_images=params.extract_images,
        images=settings.image_limit,
        image_bytes=settings.image_bytes_limit,
        image_pixels=settings.image_pixel_limit,
        languages=_languages(params, settings),
        tessdata=None if tessdata is None else str(tessdata),
        dpi=settings.ocr_dpi,
        threads=work.platform.threads_per_slot,
    )


def _languages(params: PdfParams, settings: PdfSettings) -> str:
    return params.language if params.language is not None else settings.ocr_languages


def _answer(params: PdfParams, found: Read, spool: Path, work: Work, *, name: str) -> ReadPdf:
    chars = sum(page.chars for page in found.pages)
    settings = work.platform.settings.pdf
    is_inline = chars <= settings.inline_characters
    if not is_inline:
        work.save_artifact(spool, name=TEXT_ARTIFACT, media_type="application/json")
    engine = found.facts.get("ocr_engine")
    return ReadPdf(
        filename=name,
        content_sha256=_sha256(work.directory / _FILE),
        page_count=len(found.pages),
        chars=chars,
        ocr_pages=sum(page.is_ocr for page in found.pages),
        ocr_engine=engine,
        language=None if engine is None else _languages(params, settings),
        pages=_with_text(spool) if is_inline else found.pages,
        text_artifact=None if is_inline else TEXT_ARTIFACT,
        images=found.images,
        images_skipped=found.facts.get("images_skipped", 0),
    )


def _with_text(spool: Path) -> tuple[PageText, ...]:
    pages = json.loads(spool.read_text(encoding="utf-8"))
    return tuple(PageText.model_validate(page) for page in pages)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
