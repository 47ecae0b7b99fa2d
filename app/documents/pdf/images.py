"""The pictures on the pages of a PDF: each once, as files, within caps."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pypdfium2.raw

from app.documents.items import Picture
from app.documents.reader_options import PdfOptions
from app.errors import LimitExceeded

SMALLEST_SIDE = 8
"""Narrower ones are lines and dots that were drawn as pictures."""

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jp2": "image/jp2",
    ".png": "image/png",
    ".tiff": "image/tiff",
}


class Pictures:
    """Extracts the pictures of one document, page by page, into a folder."""

    def __init__(self, folder: Path, options: PdfOptions) -> None:
        self._folder = folder
        self._options = options
        self._seen: set[bytes] = set()
        self._written_bytes = 0
        self.kept = 0
        self.skipped = 0
        """Those that the caps left out, and those that cannot be read."""

    def of_page(self, images: list[pypdfium2.PdfImage], *, number: int) -> Iterator[Picture]:
        """The page's pictures that were on no page before. In the order of the page."""
        for image in images:
            width, height = image.get_px_size()
            if min(width, height) < SMALLEST_SIDE or not self._is_new(image, width, height):
                continue
            if self.kept >= self._options.images:
                self.skipped += 1
                continue
            found = self._written(image, number=number, size=(width, height))
            if found is not None:
                yield found

    def _is_new(self, image: pypdfium2.PdfImage, width: int, height: int) -> bool:
        digest = hashlib.sha256(f"{width} {height} {image.get_filters()} ".encode())
        digest.update(image.get_data())
        is_new = digest.digest() not in self._seen
        self._seen.add(digest.digest())
        return is_new

    def _written(
        self, image: pypdfium2.PdfImage, *, number: int, size: tuple[int, int]
    ) -> Picture | None:
        name = f"page-{number:04}-image-{self.kept + 1:03}"
        try:
            image.extract(self._folder / name)
        except (pypdfium2.PdfiumError, ValueError):  # damaged, or of a kind that cannot be written
            self.skipped += 1
            return None
        [path] = self._folder.glob(f"{name}.*")
        self._written_bytes += path.stat().st_size
        if self._written_bytes > self._options.image_bytes:
            self._written_bytes -= path.stat().st_size
            path.unlink()
            self.skipped += 1
            return None
        self.kept += 1
        return Picture(
            file=path.name,
            media_type=MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
            page=number,
            width=size[0],
            height=size[1],
        )


def of_page(
    page: pypdfium2.PdfPage, *, number: int, options: PdfOptions
) -> list[pypdfium2.PdfImage]:
    """The picture objects of a page, those inside of forms too.

    Raises LimitExceeded for a page with too many objects, and for a picture of too many pixels,
    before anything is decoded.
    """
    images = []
    for count, found in enumerate(page.get_objects(), start=1):
        if count > options.objects:
            raise LimitExceeded(
                f"page {number} has more than {options.objects} objects: it may be a bomb"
            )
        if found.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE:
            images.append(found)
    for image in images:
        width, height = image.get_px_size()
        if width * height > options.image_pixels:
            raise LimitExceeded(
                f"page {number} has a picture of {width} x {height} pixels: "
                f"{options.image_pixels} are read at most"
            )
    return images


def cover(images: list[pypdfium2.PdfImage], page: pypdfium2.PdfPage) -> float:
    """The share of the page that its largest picture covers."""
    width, height = page.get_size()
    areas = (_area(image, width, height) for image in images)
    return max(areas, default=0.0) / max(1.0, float(width * height))


def _area(image: pypdfium2.PdfImage, width: float, height: float) -> float:
    left, bottom, right, top = image.get_bounds()
    inside_width = float(min(right, width) - max(left, 0.0))
    inside_height = float(min(top, height) - max(bottom, 0.0))
    return max(0.0, inside_width) * max(0.0, inside_height)
