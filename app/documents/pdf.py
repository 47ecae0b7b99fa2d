"""PDF: the text of each page, under the bookmarks that lead to it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2
import pypdfium2.raw

from app.documents import items
from app.documents.items import Extent, Fact, Item, Position
from app.documents.limits import Limits
from app.errors import InvalidInput, LimitExceeded, PasswordNeeded

END_MARK = b"%%EOF"

END_WITHIN_BYTES = 4096
"""Programs leave a little behind the mark. A file without one there was cut off; pdfium would
rebuild what it finds and say nothing of the pages that are gone."""

MAX_BOOKMARKS = 10_000
MAX_TITLE_LENGTH = 200


def read(path: Path, limits: Limits) -> Iterator[Item]:
    """The text, page by page.

    Raises PasswordNeeded, InvalidInput (damaged, cut off), LimitExceeded (pages).
    """
    document = opened(path, pages=limits.pages)
    count = len(document)
    yield Extent(total=count)
    titles = _titles(document)
    without_text = 0
    for number in range(1, count + 1):
        with page_of(document, number) as page:
            text = text_of(page)
        without_text += not text
        yield from items.cut(text, headings=titles.get(number, ()), page=number)
        yield Position(done=number)
    yield Fact(name="pages", value=count)
    yield Fact(name="pages_without_text", value=without_text)


def opened(path: Path, *, pages: int) -> pypdfium2.PdfDocument:
    """The document, when it has at most so many pages.

    Raises PasswordNeeded, InvalidInput (damaged, cut off), LimitExceeded.
    """
    _refuse_cut_off(path)
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise PasswordNeeded("the PDF is encrypted: save it without a password") from error
        raise InvalidInput(f"the PDF is damaged: {error}") from error
    if len(document) > pages:
        raise LimitExceeded(f"the PDF has {len(document)} pages: {pages} are read at most")
    return document


def _refuse_cut_off(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_WITHIN_BYTES))
        if END_MARK not in file.read():
            raise InvalidInput("the PDF is incomplete: its end is missing")


@contextmanager
def page_of(document: pypdfium2.PdfDocument, number: int) -> Iterator[pypdfium2.PdfPage]:
    """The page, counted from 1. What is wrong with it is InvalidInput, anywhere in the block."""
    try:
        page = document[number - 1]
        yield page
        page.close()
    except pypdfium2.PdfiumError as error:
        raise InvalidInput(f"page {number} of the PDF is damaged: {error}") from error


def text_of(page: pypdfium2.PdfPage) -> str:
    """The page's text, words in one piece."""
    return _joined(str(page.get_textpage().get_text_bounded(errors="replace"))).strip()


def _joined(text: str) -> str:
    """The text with words in one piece that a line end had parted.

    pdfium writes U+FFFE (older ones U+0002) for the hyphen at which it saw that.

    >>> _joined("a hy\\ufffe\\r\\nphen and\\r\\na line")
    'a hyphen and\\r\\na line'
    """
    return re.sub(r"[\ufffe\x02]\r?\n?", "", text)


def _titles(document: pypdfium2.PdfDocument) -> dict[int, tuple[str, ...]]:
    """The bookmarks that each page stands under: those of its own, else of a page before."""
    marks: dict[int, tuple[str, ...]] = {}
    above: list[str] = []
    for count, bookmark in enumerate(document.get_toc()):
        if count >= MAX_BOOKMARKS:
            break
        title = items.clean(bookmark.get_title()).strip()[:MAX_TITLE_LENGTH]
        target = bookmark.get_dest()
        index = None if target is None else target.get_index()
        above = [*above[: bookmark.level], title]
        if index is not None and title:
            marks.setdefault(index + 1, tuple(above))
    return _carried_on(marks, len(document))


def _carried_on(marks: dict[int, tuple[str, ...]], count: int) -> dict[int, tuple[str, ...]]:
    """
    >>> _carried_on({2: ("A",)}, 3)
    {2: ('A',), 3: ('A',)}
    """
    carried: dict[int, tuple[str, ...]] = {}
    current: tuple[str, ...] = ()
    for number in range(1, count + 1):
        current = marks.get(number, current)
        if current:
            carried[number] = current
    return carried
