"""Read the pages of a PDF in a child process within limits; keep what it tells."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import errors
from app.documents import items
from app.documents.items import Block, Caveat, Extent, Fact, Page, Picture, Refusal
from app.documents.reader_options import PdfOptions
from app.errors import CeleriacError, InvalidInput, ProcessFailed
from app.jobs.model.work import Work
from app.pipelines.pdf.schema import FoundImage, PageText, Read
from app.pipelines.reading_warnings import ReadingWarning
from app.worker import limits

READER = "app.documents.pdf.pdf_reader"

PAGES = "pages.json"

READ_PERCENT = 90.0
"""Where reading ends and storing begins."""

_REFUSALS: dict[str, type[CeleriacError]] = {
    error.__name__: error
    for error in (
        errors.InvalidInput,
        errors.LimitExceeded,
        errors.PasswordNeeded,
        errors.StorageUnavailable,
        errors.UnsupportedFormat,
    )
}


def read(path: Path, *, folder: Path, options: PdfOptions, work: Work) -> Read:
    """Read the file into the folder: its pictures, and a JSON list of its pages (`PAGES`).

    Raises InvalidInput (empty, damaged), PasswordNeeded, UnsupportedFormat, LimitExceeded,
    StorageUnavailable, and what the work raises to stop.
    """
    settings = work.platform.settings.pdf
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt before
    folder.mkdir()
    with (folder / PAGES).open("w", encoding="utf-8") as file:
        listener = _Listener(file.write, work)
        try:
            limits.run_limited(
                READER,
                [str(path), str(folder), json.dumps(asdict(options))],
                memory_bytes=settings.memory_limit_bytes,
                cpu_s=settings.time_limit_s * options.threads,
                timeout_s=settings.time_limit_s,
                on_line=listener.hear,
                run=work.run_process,
            )
        except (ProcessFailed, json.JSONDecodeError) as error:
            raise InvalidInput("the PDF is damaged: its reader broke down on it") from error
        return listener.finish()


class _Listener:
    """Hears the reader's lines: writes pages down, tells the progress."""

    def __init__(self, write: Callable[[str], object], work: Work) -> None:
        self._write = write
        self._work = work
        self._text: list[str] = []
        self._pages: list[PageText] = []
        self._images: list[FoundImage] = []
        self._facts: dict[str, Any] = {}  # JSON
        self._warnings: list[ReadingWarning] = []
        self._total = 1

    def hear(self, line: dict[str, Any]) -> None:  # JSON
        match items.from_json(line):
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
            case Refusal(error=error, message=message):
                raise _REFUSALS.get(error, InvalidInput)(message)

    def finish(self) -> Read:
        self._write("]\n" if self._pages else "[]\n")
        return Read(
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
