"""Download the best audio of a page or file, resuming an earlier attempt."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt_dlp.networking.exceptions import RequestError

from app.errors import CeleriacError, LimitExceeded, WorkStopped
from app.fetch import failures, http_client
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media import page
from app.pipelines.media.schema import Downloaded, MediaParams
from app.pipelines.media.ytdlp_network import Downloader

FRAGMENT_LIMIT_BYTES = 256 * 1024 * 1024
"""yt-dlp holds a fragment in memory to append it to the file. Real ones are a few MiB."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

log = logging.getLogger(__name__)

COVER_LIMIT_BYTES = 10 * 1024 * 1024

READ_PERCENT, MEDIA_PERCENT, COVER_PERCENT = 5.0, 95.0, 98.0
"""Percents at which reading the page, fetching the media and fetching the cover end."""

FORMAT = f"bestaudio{page.PLAIN}/best{page.PLAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReading:
    """Progress of the transfer. `None` is "unknown": many servers send no length."""

    done_ratio: float | None
    speed: str | None
    eta_s: float | None
    message: str


class DownloadMeter:
    """Reads the progress of one download and enforces the size limit."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._fragment: int | None = None
        self._fragment_start_bytes = 0

    def read(self, status: dict[str, Any]) -> TransferReading:  # Any: yt-dlp's own dictionary
        """Read what yt-dlp passes to a progress hook. Raises LimitExceeded."""
        done_bytes = status.get("downloaded_bytes") or 0
        self._limit(done_bytes, status)
        speed = status.get("speed")
        return TransferReading(
            done_ratio=_done_ratio(status, done_bytes),
            speed=None if speed is None else f"{size_text(speed)}/s",
            eta_s=status.get("eta"),
            message=f"downloaded {size_text(done_bytes)}",
        )

    def _limit(self, done_bytes: int, status: dict[str, Any]) -> None:
        if max(done_bytes, status.get("total_bytes") or 0) > self._limit_bytes:
            raise LimitExceeded(f"the file is larger than {size_text(self._limit_bytes)}")
        fragment = status.get("fragment_index")
        if fragment is None:
            return
        if fragment != self._fragment:
            self._fragment, self._fragment_start_bytes = fragment, done_bytes
        if done_bytes - self._fragment_start_bytes > FRAGMENT_LIMIT_BYTES:
            raise LimitExceeded(
                f"a fragment of the stream is larger than {size_text(FRAGMENT_LIMIT_BYTES)}"
            )


def _done_ratio(status: dict[str, Any], done_bytes: int) -> float | None:
    fragments: int | None = status.get("fragment_count")
    if fragments:
        return min(1.0, (status.get("fragment_index") or 0) / fragments)
    total_bytes: int | None = status.get("total_bytes")
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


def transfer_options(
    work: Work, *, wanted: str, span: tuple[float, float] | None, name: str = "source"
) -> dict[str, Any]:  # Any: yt-dlp's options
    """Options to fetch the format `wanted`. Its progress is reported within the span of percents;
    without a span it is not reported."""
    return {
        **page.guarded_options(work),
        "format": wanted,
        "outtmpl": {"default": f"{name}-%(format_id)s.%(ext)s"},
        "paths": {"home": str(work.directory)},
        "restrictfilenames": True,
        "trim_file_name": 80,
        "progress_hooks": [_hook(work, span)],
        "fragment_retries": page.RETRIES,
        "skip_unavailable_fragments": False,
        "hls_prefer_native": True,
        "fixup": "never",
        "updatetime": False,
    }


def _hook(work: Work, span: tuple[float, float] | None) -> Any:  # a function that yt-dlp calls
    meter = DownloadMeter(limit_bytes=work.settings.files.download_limit_bytes)
    start, end = span or (0.0, 0.0)
    percent = start

    def report(status: dict[str, Any]) -> None:
        nonlocal percent
        reading = meter.read(status)
        if span is None:
            work.check()
            return
        if reading.done_ratio is not None:
            percent = max(percent, start + reading.done_ratio * (end - start))
        work.progress(percent, reading.message, speed=reading.speed, eta_seconds=reading.eta_s)

    return report


def download(params: MediaParams, work: Work) -> Downloaded:
    """Fetch the audio to the workspace; with its video if the site has no separate audio.

    Raises UnsupportedFormat (no media, live, protected), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, StorageUnavailable, and the errors of `check`.
    """
    url = str(params.url)
    work.progress(0, "reading the page")
    with (
        disk.full_disk_retried(),
        page.opened(
            url, work, transfer_options(work, wanted=FORMAT, span=(READ_PERCENT, MEDIA_PERCENT))
        ) as downloader,
    ):
        info = downloader.extract_info(url)
        entry = page.only_entry(info)
        cover = _cover(downloader, entry, work)
    work.progress(100, "downloaded")
    return _downloaded(params, info, entry, cover=cover, work=work)


def _cover(downloader: Downloader, entry: dict[str, Any], work: Work) -> str | None:
    """Save the page's picture if it can be fetched: an MP3 may lack one."""
    url = entry.get("thumbnail")
    if not url:
        return None
    work.progress(MEDIA_PERCENT, "fetching the cover")
    downloader.network.begin_page()
    try:
        with downloader.urlopen(url) as answer:
            blocks = iter(lambda: answer.read(65536), b"")
            picture = b"".join(http_client.capped(blocks, limit_bytes=COVER_LIMIT_BYTES, url=url))
    except WorkStopped:
        raise
    except (CeleriacError, RequestError, ValueError) as error:  # ValueError: not a URL
        _raise_if_stopped(error)
        log.info("no cover", extra={"reason": str(error)})
        return None
    (work.directory / "cover").write_bytes(picture)
    work.progress(COVER_PERCENT, "fetched the cover")
    return "cover"


def _raise_if_stopped(error: Exception) -> None:
    cause = getattr(error, "cause", None)
    if isinstance(cause, WorkStopped):
        raise cause from error


def _downloaded(
    params: MediaParams,
    info: dict[str, Any],
    entry: dict[str, Any],
    *,
    cover: str | None,
    work: Work,
) -> Downloaded:
    [file] = entry["requested_downloads"]
    path = disk.confined(work.directory, Path(file["filepath"]).name)
    page_title = page.short(page.title_of(info, entry))
    artists = ", ".join(entry.get("artists") or ()) or entry.get("artist")
    performer = artists or entry.get("uploader") or entry.get("channel")
    return Downloaded(
        source_url=failures.shown(str(params.url)),
        file=path.name,
        size_bytes=path.stat().st_size,
        cover=cover,
        name=page_title or "audio",
        title=params.title or (None if entry.get("direct") else page_title),
        artist=params.artist or page.short(performer),
        album=params.album or page.short(entry.get("album")),
        date=page.date(entry.get("release_date") or entry.get("upload_date")),
        bitrate=params.bitrate,
    )
