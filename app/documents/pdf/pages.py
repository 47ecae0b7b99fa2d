"""PDF: the text of each page, under the bookmarks that lead to it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pypdfium2
import pypdfium2.raw

from app.documents import items
from app.documents.items import Caveat, CaveatCode, Extent, Fact, Item, Position
from app.documents.pdf import images, page_text
from app.documents.reader_options import DocumentLimits
from app.errors import InvalidInput, LimitExceeded, PasswordNeeded

END_MARK = b"%%EOF"

END_WITHIN_BYTES = 4096
"""Some programs write a little after the mark."""

_TABLE_MARK = b"startxref"
_BLOCK_BYTES = 1024 * 1024

SCANNED_RATIO = 0.6
SCANNED_CHARACTERS = 500
"""A page that a picture covers this far and that has less text than this is a scan."""
MAX_IMAGES = 1_000

MAX_PAGES_TOLD = 100
MAX_BOOKMARKS = 10_000
MAX_TITLE_LENGTH = 200


def read(path: Path, limits: DocumentLimits) -> Iterator[Item]:
    """The text, page by page.

    Raises PasswordNeeded, InvalidInput (damaged, cut off), LimitExceeded (pages).
    """
    opened_pdf = opened(path, pages=limits.pages)
    document, count = opened_pdf.document, len(opened_pdf.document)
    yield Extent(total=count)
    titles = _titles(document)
    losses = Losses(page_cpu_s=limits.page_cpu_s)
    for number in range(1, count + 1):
        with losses.page(document, number) as page:
            text = "" if page is None else page_text.of_page(document, number - 1, page)
            if page is not None and (not text or is_scan(page, text)):
                losses.without_text.append(number)
            elif page_text.is_garbled(text):
                losses.garbled.append(number)
        yield from items.cut(text, headings=titles.get(number, ()), page=number)
        yield Position(done=number)
    losses.refuse_total(count)
    yield Fact(name="pages", value=count)
    yield Fact(name="pages_without_text", value=len(losses.without_text))
    yield from losses.caveats(is_damaged=opened_pdf.is_damaged)
    yield from losses.textless_caveats()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPdf:
    """A document that can be read."""

    document: pypdfium2.PdfDocument
    is_damaged: bool
    """Whether its end is not as it should be: bytes are missing, or others follow."""


@dataclass(slots=True)
class Losses:
    """Pages from which nothing was read, and why."""

    page_cpu_s: int
    unreadable: list[int] = field(default_factory=list)
    without_text: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)

    @contextmanager
    def page(
        self, document: pypdfium2.PdfDocument, number: int
    ) -> Iterator[pypdfium2.PdfPage | None]:
        """The page, counted from 1; None, and noted, where it is damaged.

        What is done with it has so much processor time, and then the process ends by SIGPROF: the
        library draws some pages of a few bytes for hours, and cannot be interrupted.
        """
        signal.setitimer(signal.ITIMER_PROF, self.page_cpu_s)
        try:
            page = document[number - 1]
        except pypdfium2.PdfiumError:
            self.unreadable.append(number)
            yield None
            return
        else:
            yield page
            page.close()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def refuse_total(self, count: int) -> None:
        """Raises InvalidInput when no page could be read."""
        if count and len(self.unreadable) == count:
            raise InvalidInput("the PDF is damaged: none of its pages can be read")

    def caveats(self, *, is_damaged: bool) -> Iterator[Caveat]:
        if is_damaged:
            yield Caveat(
                code=CaveatCode.DAMAGED,
                message="The end of the file is damaged; later changes to it may be missing.",
            )
        if self.unreadable:
            yield Caveat(
                code=CaveatCode.PAGES_UNREADABLE,
                message=f"{_pages(self.unreadable)} damaged and could not be read.",
                count=len(self.unreadable),
                pages=tuple(self.unreadable[:MAX_PAGES_TOLD]),
            )
        if self.garbled:
            yield Caveat(
                code=CaveatCode.TEXT_GARBLED,
                message=f"The text of {_pages(self.garbled)} gibberish: its fonts do not say which "
                "letters they draw.",
                count=len(self.garbled),
                pages=tuple(self.garbled[:MAX_PAGES_TOLD]),
            )

    def textless_caveats(self) -> Iterator[Caveat]:
        if self.without_text:
            yield Caveat(
                code=CaveatCode.PAGES_WITHOUT_TEXT,
                message=f"{_pages(self.without_text)} without text, perhaps scanned. "
                "The pdf pipeline recognises text in pictures.",
                count=len(self.without_text),
                pages=tuple(self.without_text[:MAX_PAGES_TOLD]),
            )


def _pages(numbers: list[int]) -> str:
    """
    >>> _pages([2]), _pages([2, 3, 7, 9])
    ('Page 2 is', 'Pages 2, 3, 7 and 1 more are')
    """
    if len(numbers) == 1:
        return f"Page {numbers[0]} is"
    shown = ", ".join(map(str, numbers[:3]))
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return f"Pages {shown}{more} are"


def opened(path: Path, *, pages: int) -> OpenedPdf:
    """The document, when it has at most so many pages.

    Raises PasswordNeeded, InvalidInput (damaged, cut off), LimitExceeded.
    """
    is_damaged = _is_damaged(path)
    try:
        document = pypdfium2.PdfDocument(path)
        document.init_forms()
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise PasswordNeeded("the PDF is encrypted: save it without a password") from error
        raise InvalidInput(f"the PDF is damaged: {error}") from error
    if len(document) > pages:
        raise LimitExceeded(f"the PDF has {len(document)} pages: {pages} are read at most")
    return OpenedPdf(document=document, is_damaged=is_damaged)


def _is_damaged(path: Path) -> bool:
    """Whether the file does not end as it should.

    Raises InvalidInput where it was cut off: pdfium would rebuild what it finds, without
    the pages that are missing.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_WITHIN_BYTES))
        end = file.read()
        if END_MARK in end:
            return False
        if _TABLE_MARK in end:
            return True
        file.seek(0)
        is_whole = any(END_MARK in block for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
    if not is_whole:
        raise InvalidInput("the PDF is incomplete: its end is missing")
    return True


def is_scan(page: pypdfium2.PdfPage, text: str) -> bool:
    """Whether the page is a picture with a header, a stamp or a page number written on it."""
    if len(text) >= SCANNED_CHARACTERS:
        return False
    found = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    return images.cover(list(islice(found, MAX_IMAGES)), page) >= SCANNED_RATIO


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
    return _inherited(marks, len(document))


def _inherited(marks: dict[int, tuple[str, ...]], count: int) -> dict[int, tuple[str, ...]]:
    """
    >>> _inherited({2: ("A",)}, 3)
    {2: ('A',), 3: ('A',)}
    """
    inherited: dict[int, tuple[str, ...]] = {}
    current: tuple[str, ...] = ()
    for number in range(1, count + 1):
        current = marks.get(number, current)
        if current:
            inherited[number] = current
    return inherited
