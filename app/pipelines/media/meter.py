"""How far a download is, from what yt-dlp says of it."""

from dataclasses import dataclass
from typing import Any

from app.errors import LimitExceeded

FRAGMENT_LIMIT_BYTES = 256 * 1024 * 1024
"""yt-dlp holds a fragment in memory to append it to the file. Real ones are a few MiB."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One report of the transfer. `None` is "not known": many servers tell no length."""

    done_ratio: float | None
    speed: str | None
    eta_s: float | None
    message: str


class Meter:
    """Reads the progress of one download and holds it to the size limit."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._fragment: int | None = None
        self._fragment_start_bytes = 0

    def read(self, told: dict[str, Any]) -> Reading:  # Any: yt-dlp's own dictionary
        """What a progress hook was told. Raises LimitExceeded."""
        done_bytes = told.get("downloaded_bytes") or 0
        self._limit(done_bytes, told)
        speed = told.get("speed")
        return Reading(
            done_ratio=_done_ratio(told, done_bytes),
            speed=None if speed is None else f"{size_text(speed)}/s",
            eta_s=told.get("eta"),
            message=f"downloaded {size_text(done_bytes)}",
        )

    def _limit(self, done_bytes: int, told: dict[str, Any]) -> None:
        if max(done_bytes, told.get("total_bytes") or 0) > self._limit_bytes:
            raise LimitExceeded(f"the file is larger than {size_text(self._limit_bytes)}")
        fragment = told.get("fragment_index")
        if fragment is None:
            return
        if fragment != self._fragment:
            self._fragment, self._fragment_start_bytes = fragment, done_bytes
        if done_bytes - self._fragment_start_bytes > FRAGMENT_LIMIT_BYTES:
            raise LimitExceeded(
                f"a fragment of the stream is larger than {size_text(FRAGMENT_LIMIT_BYTES)}"
            )


def _done_ratio(told: dict[str, Any], done_bytes: int) -> float | None:
    fragments: int | None = told.get("fragment_count")
    if fragments:
        return min(1.0, (told.get("fragment_index") or 0) / fragments)
    total_bytes: int | None = told.get("total_bytes")
    return min(1.0, done_bytes / total_bytes) if total_bytes else None


def size_text(size_bytes: float) -> str:
    """
    >>> size_text(999), size_text(1_258_291), size_text(5 * 1024**4)
    ('999 B', '1.2 MiB', '5.0 TiB')
    """
    size = float(size_bytes)
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"
