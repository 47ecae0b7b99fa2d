"""Read a PDF: fetch it, read its pages, keep their text and pictures."""

import hashlib
import json
from pathlib import Path

from app.documents.reader_options import PdfOptions
from app.jobs.model.work import Work
from app.pipelines import disk, inputs
from app.pipelines.pdf import cache, reading
from app.pipelines.pdf.cache import PdfCache
from app.pipelines.pdf.schema import FoundImage, PageImage, PageText, PdfParams, Read, ReadPdf

MOST_THREADS = 4
"""Pages that are recognised at once, at most: each needs memory of its own."""

_FILE, _FOLDER = "input.pdf", "read"


def process(params: PdfParams, work: Work) -> ReadPdf:
    """Everything on the pages of the file.

    Raises NotFound (no such file), InvalidInput, PasswordNeeded, UnsupportedFormat, LimitExceeded,
    StorageUnavailable, and what the work raises to stop.
    """
    with disk.watched():
        work.progress(0, "fetching the file")
        given = {"upload_id": params.upload_id, "path": params.pdf_path}
        path = inputs.fetched(work, work.directory / _FILE, **given)
        answer = _answer(params, path, work, name=inputs.name_of(work, **given))
    work.progress(100, f"read {answer.page_count} pages")
    return answer


def _answer(params: PdfParams, path: Path, work: Work, *, name: str) -> ReadPdf:
    options, content_sha256 = _options(params, work), _sha256(path)
    kept = PdfCache(work.platform.settings.files.cache_dir)
    entry = cache.name_of(content_sha256, options)
    known = kept.find(entry) if work.platform.settings.pdf.has_cache else None
    if known is not None:
        found, folder = known
    else:
        folder = work.directory / _FOLDER
        found = reading.read(path, folder=folder, options=options, work=work)
    answer = _stored(found, folder, work, name=name, content_sha256=content_sha256, options=options)
    if known is None and found.ocr_engine is not None and work.platform.settings.pdf.has_cache:
        kept.keep(entry, found, folder)
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
        languages=params.language if params.language is not None else settings.ocr_languages,
        tessdata=None if tessdata is None else str(tessdata),
        dpi=settings.ocr_dpi,
        threads=min(MOST_THREADS, work.platform.threads_per_slot),
    )


def _stored(
    found: Read, folder: Path, work: Work, *, name: str, content_sha256: str, options: PdfOptions
) -> ReadPdf:
    work.progress(reading.READ_PERCENT, "storing text and pictures")
    pages = folder / reading.PAGES
    chars = sum(page.chars for page in found.pages)
    is_inline = chars <= work.platform.settings.pdf.inline_characters
    if not is_inline:
        work.save_artifact(pages, name=reading.PAGES, media_type="application/json")
    return ReadPdf(
        filename=name,
        content_sha256=content_sha256,
        page_count=len(found.pages),
        chars=chars,
        ocr_pages=sum(page.is_ocr for page in found.pages),
        ocr_engine=found.ocr_engine,
        language=None if found.ocr_engine is None else options.languages,
        pages=_with_text(pages) if is_inline else found.pages,
        text_artifact=None if is_inline else reading.PAGES,
        images=tuple(_stored_image(image, folder, work) for image in found.images),
        images_skipped=found.images_skipped,
        warnings=found.warnings,
    )


def _stored_image(image: FoundImage, folder: Path, work: Work) -> PageImage:
    path = disk.confined(folder, image.file)
    kept = work.save_artifact(path, name=path.name, media_type=image.media_type)
    return PageImage(
        artifact=kept.name,
        page=image.page,
        width=image.width,
        height=image.height,
        media_type=kept.media_type,
        size_bytes=kept.size_bytes,
        sha256=kept.sha256,
    )


def _with_text(pages: Path) -> tuple[PageText, ...]:
    found = json.loads(pages.read_text(encoding="utf-8"))
    return tuple(PageText.model_validate(page) for page in found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
