"""How much of a document is read at most."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The caps. Memory, time and the size of the file are held by whoever runs the reader."""

    pages: int = 5_000
    characters: int = 50_000_000
    archive_bytes: int = 400 * 1024 * 1024
    """Of all parts of a DOCX or XLSX together, unpacked."""
    archive_entries: int = 5_000
    archive_ratio: int = 200
    """How many times larger a part may be unpacked: real ones stay under 100."""
    archive_ratio_from_bytes: int = 4 * 1024 * 1024
    """Smaller parts may have any ratio: a few kilobytes of spaces harm nobody."""
