"""Read a PDF: fetch it, read its pages, keep their text and pictures.

Recognition is expensive, so what was read of a file with recognised pages is cached. An entry is a
folder in `CACHE_DIR/pdf`, named after the content, the options, and the versions that read it. It
is complete once it has its name. Each use touches it, so that the clean-up knows
(`pipelines.retention.caches`).
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.documents import child
from app.documents.child import ChildLimits
from app.documents.items import Block, Caveat, Extent, Fact, Item, Page, Picture, Refusal
from app.documents.reader_options import PdfOptions
from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import discarding, stage
from app.jobs.model.work import Work
from app.pipelines import disk, input_files
from app.pipelines.pdf.schema import FoundImage, PageImage, PageText, PdfParams, ReadPages, ReadPdf
from app.pipelines.reading_warnings import ReadingWarning
from app.worker.sandbox.policy import Sandbox

log = logging.getLogger(__name__)

READER = "app.documents.pdf.pdf_reader"

PAGES = "pages.json"

READ_PERCENT = 90.0
"""Where reading ends and storing begins."""

MOST_THREADS = 4
"""Pages that are recognised at once, at most: each needs memory of its own."""

CACHE_FOLDER = "pdf"

SUMMARY = "read.json"

_READERS = ("pypdfium2", "tesserocr")

EDITION = 2
"""Of the way pages are read. Another one leaves the older entries of the cache unused."""

_FILE, _FOLDER = "input.pdf", "read"


def process(params: PdfParams, work: Work) -> ReadPdf:
    """Everything on the pages of the file.

    Raises NotFound (no such file), InvalidInput, PasswordNeeded, UnsupportedFormat, LimitExceeded,
    StorageUnavailable, and what the work raises to stop.
    """
    with disk.full_disk_retried():
        work.progress(0, "fetching the file")
        given = {"upload_id": params.upload_id, "path": params.pdf_path}
        path = input_files.fetch(work, work.directory / _FILE, **given)
        answer = _answer(params, path, work, name=input_files.name_of(work, **given))
    work.progress(100, f"read {answer.page_count} pages")
    return answer


def _answer(params: PdfParams, path: Path, work: Work, *, name: str) -> ReadPdf:
    options, content_sha256 = _options(params, work), _sha256(path)
    kept = PdfCache(work.settings.files.cache_dir)
    entry = _entry_name(content_sha256, options)
    known = kept.find(entry) if work.settings.pdf.has_cache else None
    if known is not None:
        found, folder = known
    else:
        folder = work.directory / _FOLDER
        found = _read(path, folder=folder, options=options, work=work)
    answer = _stored(found, folder, work, name=name, content_sha256=content_sha256, options=options)
    if known is None and found.ocr_engine is not None and work.settings.pdf.has_cache:
        kept.keep(entry, found, folder)
    return answer


def _options(params: PdfParams, work: Work) -> PdfOptions:
    settings = work.settings.pdf
    tessdata = settings.tessdata_dir
    return PdfOptions(
        pages=settings.page_limit,
        characters=settings.character_limit,
        objects=settings.object_limit,
        page_cpu_s=settings.page_cpu_s,
        has_images=params.extract_images,
        images=settings.image_limit,
        image_bytes=settings.image_bytes_limit,
        image_pixels=settings.image_pixel_limit,
        languages=params.language if params.language is not None else settings.ocr_languages,
        tessdata=None if tessdata is None else str(tessdata),
        dpi=settings.ocr_dpi,
        threads=min(MOST_THREADS, work.threads),
    )


def _stored(
    found: ReadPages,
    folder: Path,
    work: Work,
    *,
    name: str,
    content_sha256: str,
    options: PdfOptions,
) -> ReadPdf:
    work.progress(READ_PERCENT, "storing text and pictures")
    pages = folder / PAGES
    chars = sum(page.chars for page in found.pages)
    is_inline = chars <= work.settings.pdf.inline_characters
    if not is_inline:
        work.save_artifact(pages, name=PAGES, media_type="application/json")
    return ReadPdf(
        filename=name,
        content_sha256=content_sha256,
        page_count=len(found.pages),
        chars=chars,
        ocr_pages=sum(page.is_ocr for page in found.pages),
        ocr_engine=found.ocr_engine,
        language=None if found.ocr_engine is None else options.languages,
        pages=_with_text(pages) if is_inline else found.pages,
        text_artifact=None if is_inline else PAGES,
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


def _read(path: Path, *, folder: Path, options: PdfOptions, work: Work) -> ReadPages:
    """Read the file in a child process into the folder: its pictures, and a JSON list of its pages
    (`PAGES`)."""
    settings = work.settings.pdf
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt before
    folder.mkdir()
    with (folder / PAGES).open("w", encoding="utf-8") as file:
        collector = _Collector(file.write, work)
        child.read_items(
            READER,
            [str(path), str(folder), json.dumps(asdict(options))],
            on_item=collector.take,
            child_limits=ChildLimits(
                memory_bytes=settings.memory_limit_bytes,
                cpu_s=settings.time_limit_s * options.threads,
                timeout_s=settings.time_limit_s,
            ),
            sandbox=Sandbox(readable=_readable(path, options), writable=(folder,)),
            run=work.run_process,
            what="PDF",
        )
        return collector.finish()


def _readable(path: Path, options: PdfOptions) -> tuple[Path, ...]:
    tessdata = () if options.tessdata is None else (Path(options.tessdata),)
    return path, *tessdata


class _Collector:
    """Receives the items of a PDF: writes its pages to a file, reports the progress."""

    def __init__(self, write: Callable[[str], object], work: Work) -> None:
        self._write = write
        self._work = work
        self._text: list[str] = []
        self._pages: list[PageText] = []
        self._images: list[FoundImage] = []
        self._facts: dict[str, Any] = {}  # JSON
        self._warnings: list[ReadingWarning] = []
        self._total = 1

    def take(self, item: Item) -> None:
        match item:
            case Block(text=text):
                self._text.append(text)
            case Page() as page:
                self._keep_page(page)
            case Picture() as picture:
                self._images.append(FoundImage.model_validate(asdict(picture)))
            case Extent(total=total):
                self._total = max(1, total)
            case Fact(name=name, value=value):
                self._facts[name] = value
            case Caveat() as caveat:
                self._warnings.append(ReadingWarning.of(caveat))
            case Refusal() as refusal:
                raise child.refused(refusal)

    def finish(self) -> ReadPages:
        self._write("]\n" if self._pages else "[]\n")
        return ReadPages(
            pages=tuple(self._pages),
            images=tuple(self._images),
            images_skipped=self._facts.get("images_skipped", 0),
            ocr_engine=self._facts.get("ocr_engine"),
            warnings=tuple(self._warnings),
        )

    def _keep_page(self, page: Page) -> None:
        text = "".join(self._text)
        self._text.clear()
        found = PageText(number=page.number, chars=len(text), is_ocr=page.is_ocr, text=text)
        self._write(("[\n" if not self._pages else ",\n") + found.model_dump_json())
        self._pages.append(found.model_copy(update={"text": None}))
        percent = READ_PERCENT * min(1.0, len(self._pages) / self._total)
        self._work.progress(percent, f"reading page {page.number} of {self._total}")


def _entry_name(content_sha256: str, options: PdfOptions) -> str:
    """The entry's name. The number of threads does not matter."""
    asked = {name: value for name, value in asdict(options).items() if name != "threads"}
    versions = [metadata.version(name) for name in _READERS]
    content = json.dumps([content_sha256, asked, versions, EDITION], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class PdfCache:
    """Entries by name. A failure of the cache costs time, never a job."""

    def __init__(self, cache_dir: Path) -> None:
        self._folder = cache_dir / CACHE_FOLDER

    def find(self, name: str) -> tuple[ReadPages, Path] | None:
        """What was read, and the folder with its files."""
        entry = self._folder / name
        try:
            os.utime(entry)
            return ReadPages.model_validate_json((entry / SUMMARY).read_bytes()), entry
        except (OSError, ValidationError):
            return None

    def keep(self, name: str, read: ReadPages, folder: Path) -> None:
        """Take the folder over as the entry. One that is there already stays."""
        entry = self._folder / name
        arriving = self._folder / f".{name}-{os.getpid()}"
        try:
            (folder / SUMMARY).write_text(read.model_dump_json(), encoding="utf-8")
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, arriving)
            arriving.rename(entry)
        except OSError as error:
            log.info("not kept in the cache", extra={"reason": str(error)})
            shutil.rmtree(arriving, ignore_errors=True)


@stage("process_pdf_document", queue="pdf", positional=("pdf_path", "extract_images"))
def process_pdf_document(params: PdfParams, work: Work) -> ReadPdf:
    return process(params, work)


PIPELINE = Pipeline(
    kind="pdf",
    summary="Extract the text of each page of a PDF, by OCR if necessary, and its pictures",
    params=PdfParams,
    stages=(process_pdf_document,),
    finalizer=discarding("abandon_pdf_document", queue="pdf"),
)
