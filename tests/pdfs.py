"""PDF files with pictures, scanned pages and traps, made when they are asked for."""

import io
import zlib
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    PasswordNeeded,
    UnsupportedFormat,
)
from tests import papers

A4 = (595, 842)

SCANNED = ("The harbour master counted nine ships", "Invoice number 20417")


def scan(lines: Sequence[str] = SCANNED, *, size: tuple[int, int] = (1240, 1754)) -> Image.Image:
    """A page of text as a scanner would see it."""
    picture = Image.new("L", size, 255)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=32)
    for number, line in enumerate(lines):
        pen.text((100, 100 + 60 * number), line, fill=0, font=font)
    return picture


def photo(seed: int = 0, *, size: tuple[int, int] = (120, 80)) -> Image.Image:
    """A small picture in colour, another one for each seed."""
    return Image.linear_gradient("L").rotate(seed).resize(size).convert("RGB")


def drawn(*draws: Callable[[canvas.Canvas], None]) -> bytes:
    """A PDF with a page for each function that draws one."""
    target = io.BytesIO()
    drawing = canvas.Canvas(target, pagesize=A4, invariant=True)
    for draw in draws:
        draw(drawing)
        drawing.showPage()
    drawing.save()
    return target.getvalue()


def text(words: str) -> Callable[[canvas.Canvas], None]:
    return lambda drawing: drawing.drawString(50, 800, words)


def picture(shown: Image.Image, *, words: str = "") -> Callable[[canvas.Canvas], None]:
    """A page with a picture all over it, and perhaps some words."""

    def draw(drawing: canvas.Canvas) -> None:
        drawing.drawImage(ImageReader(shown), 0, 0, *A4)
        drawing.drawString(50, 800, words)

    return draw


def blank(drawing: canvas.Canvas) -> None:
    """An empty page."""


def raw(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first one is the catalogue."""
    found = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(found))
        found += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(found)
    found += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    found += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    found += b"trailer\n<</Root 1 0 R /Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    return bytes(found)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(content, 9)
    return b"<<%s /Filter /FlateDecode /Length %d>>\nstream\n%s\nendstream" % (
        entries,
        len(packed),
        packed,
    )


CATALOGUE = b"<</Type /Catalog /Pages 2 0 R>>"
ONE_PAGE = b"<</Type /Pages /Kids [3 0 R] /Count 1>>"


def page_bomb(count: int) -> bytes:
    """One page object, shown many times: a small file with many pages."""
    return raw(
        CATALOGUE,
        b"<</Type /Pages /Kids [%s] /Count %d>>" % (b"3 0 R " * count, count),
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9]>>",
    )


def many_objects(count: int) -> bytes:
    """One page on which so many lines are drawn."""
    return raw(
        CATALOGUE,
        ONE_PAGE,
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R>>",
        stream(b"0 0 m 9 9 l S\n" * count),
    )


def huge_picture(side: int) -> bytes:
    """A page without text and with a picture of so many pixels each way, of which nothing is
    stored."""
    size = b"/Type /XObject /Subtype /Image /Width %d /Height %d" % (side, side)
    return raw(
        CATALOGUE,
        ONE_PAGE,
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R"
        b" /Resources <</XObject <</I 5 0 R>>>>>>",
        stream(b"600 0 0 800 0 0 cm /I Do\n"),
        stream(bytes(1000), size + b" /ColorSpace /DeviceGray /BitsPerComponent 1"),
    )


BAD: dict[str, tuple[Callable[[], bytes], type[CeleriacError], str]] = {
    "an empty file": (lambda: b"", InvalidInput, "empty"),
    "a PDF cut off": (lambda: papers.pdf_of(5)[:-2000], InvalidInput, "end is missing"),
    "the begin of a PDF": (lambda: b"%PDF-1.7\n%%EOF", InvalidInput, "damaged"),
    "an encrypted PDF": (
        lambda: papers.encrypted(papers.pdf_of(1), user_password="secret"),
        PasswordNeeded,
        "without a password",
    ),
    "a DOCX": (papers.docx_of, UnsupportedFormat, "no PDF"),
    "a page bomb": (lambda: page_bomb(100_000), LimitExceeded, "100000 pages"),
    "a million objects": (
        lambda: many_objects(1_000_000),
        LimitExceeded,
        "more than 200000 objects|more memory",
    ),
    "a picture of 60,000 x 60,000": (
        lambda: huge_picture(60_000),
        LimitExceeded,
        "60000 x 60000 pixels",
    ),
}
"""How each is made, and the error that it ends with."""
