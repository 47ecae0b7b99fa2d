"""The program that reads the pages of one PDF: `python -m app.documents.pdf_reader PATH FOLDER
OPTIONS`.

It prints items, a JSON object a line (`items.to_json`): an Extent, then for each page, in order,
its pictures (files in FOLDER), blocks of text and a Page. OPTIONS is a JSON object of the fields of
`PdfOptions`. A file that cannot be read is told as a `Refusal`, and the exit code is 0 then, too.
"""

import errno
import json
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pypdfium2

from app.documents import items, pdf, pictures, recognition
from app.documents.items import Extent, Fact, Item, Page, Refusal
from app.documents.pdf_options import PdfOptions
from app.documents.pictures import Pictures
from app.documents.recognition import Recognizer
from app.errors import (
    InvalidInput,
    LimitExceeded,
    PermanentError,
    StorageUnavailable,
    UnsupportedFormat,
)

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

MARK = b"%PDF-"
MARK_WITHIN_BYTES = 1024


def main() -> None:
    path, folder, options = sys.argv[1:]
    for item in read(Path(path), folder=Path(folder), options=PdfOptions(**json.loads(options))):
        sys.stdout.write(json.dumps(items.to_json(item)) + "\n")
        if isinstance(item, Page):
            sys.stdout.flush()


def read(path: Path, *, folder: Path, options: PdfOptions) -> Iterator[Item]:
    """Everything that is to be told of the PDF; pictures are written into the folder."""
    recognizer = Recognizer(
        languages=options.languages, folder=options.tessdata, threads=options.threads
    )
    try:
        _refuse_others(path)
        document = pdf.opened(path, pages=options.pages)
        yield from _Reading(document, recognizer, folder, options).items()
    except PermanentError as error:
        yield Refusal(error=error.type, message=str(error))
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        yield Refusal(
            error=StorageUnavailable.__name__,
            message="the disk for temporary files (TEMP_DIR) is full",
        )
    finally:
        recognizer.close()


def _refuse_others(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(MARK_WITHIN_BYTES)
    if not head.strip(b" \t\r\n\x00"):
        raise InvalidInput("the file is empty")
    if MARK not in head:
        raise UnsupportedFormat("the file is no PDF")


class _Reading:
    """One pass over the pages. Pages that are being recognised wait in line with those behind
    them, so that pages come out in order."""

    def __init__(
        self,
        document: pypdfium2.PdfDocument,
        recognizer: Recognizer,
        folder: Path,
        options: PdfOptions,
    ) -> None:
        self._document = document
        self._recognizer = recognizer
        self._pictures = Pictures(folder, options)
        self._options = options
        self._characters = 0
        self._recognized = 0
        self._waiting: deque[tuple[int, Future[str] | str]] = deque()

    def items(self) -> Iterator[Item]:
        count = len(self._document)
        if not count:
            raise InvalidInput("the PDF has no pages")
        yield Extent(total=count)
        for number in range(1, count + 1):
            yield from self._begin(number)
            while self._waiting and self._may_finish():
                yield from self._finish(*self._waiting.popleft())
        while self._waiting:
            yield from self._finish(*self._waiting.popleft())
        yield from self._facts()

    def _begin(self, number: int) -> Iterator[Item]:
        with pdf.page_of(self._document, number) as page:
            images = pictures.of_page(page, number=number, options=self._options)
            text = pdf.text_of(page)
            if self._options.has_images:
                yield from self._pictures.of_page(images, number=number)
            self._waiting.append((number, text if text else self._recognition(page)))

    def _recognition(self, page: pypdfium2.PdfPage) -> "Future[str] | str":
        drawing = recognition.drawn(page, dpi=self._options.dpi)
        return "" if drawing.is_blank else self._recognizer.read(drawing)

    def _may_finish(self) -> bool:
        """Drawings are large: no more of them wait than are needed to keep all threads busy."""
        first = self._waiting[0][1]
        return isinstance(first, str) or first.done() or len(self._waiting) > self._options.threads

    def _finish(self, number: int, found: "Future[str] | str") -> Iterator[Item]:
        text = found if isinstance(found, str) else found.result()
        is_ocr = not isinstance(found, str)
        self._recognized += is_ocr
        self._characters += len(text)
        if self._characters > self._options.characters:
            raise LimitExceeded(
                f"the PDF has more than {self._options.characters} characters of text"
            )
        yield from items.cut(text, page=number)
        yield Page(number=number, is_ocr=is_ocr)

    def _facts(self) -> Iterator[Item]:
        yield Fact(name="images_skipped", value=self._pictures.skipped)
        if self._recognized:
            yield Fact(name="ocr_engine", value=self._recognizer.engine)


if __name__ == "__main__":
    main()
