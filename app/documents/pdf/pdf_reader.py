"""The program that reads the pages of one PDF: `python -m app.documents.pdf.pdf_reader PATH FOLDER
OPTIONS`.

It prints items, a JSON object a line (`items.to_json`): an Extent, then for each page, in order,
its pictures (files in FOLDER), blocks of text and a Page. OPTIONS is a JSON object of the fields of
`PdfOptions`. For a file that cannot be read it prints a `Refusal` and exits with code 0.
"""

import errno
import json
import re
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pypdfium2

from app.documents import items
from app.documents.items import Extent, Fact, Item, Page, Refusal
from app.documents.pdf import images, page_text, pages, recognition
from app.documents.pdf.images import Pictures
from app.documents.pdf.pages import Losses, OpenedPdf
from app.documents.pdf.recognition import PageRecognizer
from app.documents.reader_options import PdfOptions
from app.errors import (
    InvalidInput,
    LimitExceeded,
    PermanentError,
    StorageUnavailable,
    UnsupportedFormat,
)

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_WORD = re.compile(r"\w+")

MARK = b"%PDF-"
MARK_WITHIN_BYTES = 1024


def main() -> None:
    path, folder, options = sys.argv[1:]
    for item in read(Path(path), folder=Path(folder), options=PdfOptions(**json.loads(options))):
        sys.stdout.write(json.dumps(items.to_json(item)) + "\n")
        if isinstance(item, Page):
            sys.stdout.flush()


def read(path: Path, *, folder: Path, options: PdfOptions) -> Iterator[Item]:
    """The items of the PDF; pictures are written into the folder."""
    recognizer = PageRecognizer(
        languages=options.languages, folder=options.tessdata, threads=options.threads
    )
    try:
        _refuse_others(path)
        opened = pages.opened(path, pages=options.pages)
        yield from _Reading(opened, recognizer, folder, options).items()
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
        opened: OpenedPdf,
        recognizer: PageRecognizer,
        folder: Path,
        options: PdfOptions,
    ) -> None:
        self._document = opened.document
        self._is_damaged = opened.is_damaged
        self._losses = Losses(page_cpu_s=options.page_cpu_s)
        self._recognizer = recognizer
        self._pictures = Pictures(folder, options)
        self._options = options
        self._characters = 0
        self._recognized = 0
        self._waiting: deque[tuple[int, str, Future[str] | str]] = deque()
        """Pages with the text that is written on them and what is recognised beside it."""

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
        self._losses.refuse_total(count)
        yield from self._facts()
        yield from self._losses.caveats(is_damaged=self._is_damaged)

    def _begin(self, number: int) -> Iterator[Item]:
        with self._losses.page(self._document, number) as page:
            if page is None:
                self._waiting.append((number, "", ""))
                return
            found = images.of_page(page, number=number, options=self._options)
            text = page_text.of_page(self._document, number - 1, page)
            if self._options.has_images:
                yield from self._pictures.of_page(found, number=number)
            is_garbled = page_text.is_garbled(text)
            is_seen = is_garbled or not text or pages.is_scan(page, text)
            seen = self._recognition(page) if is_seen else ""
            self._waiting.append((number, "" if is_garbled else text, seen))

    def _recognition(self, page: pypdfium2.PdfPage) -> "Future[str] | str":
        drawing = recognition.drawn(page, dpi=self._options.dpi)
        return "" if drawing.is_blank else self._recognizer.read(drawing)

    def _may_finish(self) -> bool:
        """Drawings are large: no more of them wait than are needed to keep all threads busy."""
        first = self._waiting[0][2]
        return isinstance(first, str) or first.done() or len(self._waiting) > self._options.threads

    def _finish(self, number: int, written: str, found: "Future[str] | str") -> Iterator[Item]:
        is_ocr = not isinstance(found, str)
        seen = found if isinstance(found, str) else found.result()
        text = _together(written, seen)
        if not text and number not in self._losses.unreadable:
            self._losses.without_text.append(number)
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


def _together(written: str, seen: str) -> str:
    """What is written on a page and what was recognised on it: lines that the recognition found as
    well come once.

    >>> _together("Page 1 of 1", "PAGE 1 OF 1\\nDear Sir")
    'PAGE 1 OF 1\\nDear Sir'
    >>> _together("Bates 0001", "Dear Sir")
    'Bates 0001\\nDear Sir'
    """
    known = set(_WORD.findall(seen.casefold()))
    missing = [
        line
        for line in written.splitlines()
        if not known or not known.issuperset(_WORD.findall(line.casefold()))
    ]
    return "\n".join(part for part in ("\n".join(missing).strip(), seen) if part)


if __name__ == "__main__":
    main()
