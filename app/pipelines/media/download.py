"""Download the best audio of a page or file, resuming what an earlier attempt left."""

import logging
from pathlib import Path
from typing import Any

from yt_dlp.networking.exceptions import RequestError

from app.errors import CeleriacError, WorkStopped
from app.fetch import client, failures
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media import page, transfer
from app.pipelines.media.network import Downloader
from app.pipelines.media.schema import Downloaded, MediaParams

log = logging.getLogger(__name__)

COVER_LIMIT_BYTES = 10 * 1024 * 1024

READ_PERCENT, MEDIA_PERCENT, COVER_PERCENT = 5.0, 95.0, 98.0
"""Where reading the page, the media file and the cover end."""

FORMAT = f"bestaudio{page.PLAIN}/best{page.PLAIN}"


def download(params: MediaParams, work: Work) -> Downloaded:
    """Fetch the audio (with its video where there is no other) into the work's folder.

    Raises UnsupportedFormat (no media, live, protected), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, StorageUnavailable, and what the work raises to stop.
    """
    url = str(params.url)
    work.progress(0, "reading the page")
    with (
        disk.watched(),
        page.opened(
            url, work, transfer.options(work, wanted=FORMAT, span=(READ_PERCENT, MEDIA_PERCENT))
        ) as downloader,
    ):
        info = downloader.extract_info(url)
        entry = page.only_entry(info)
        cover = _cover(downloader, entry, work)
    work.progress(100, "downloaded")
    return _downloaded(params, info, entry, cover=cover, work=work)


def _cover(downloader: Downloader, entry: dict[str, Any], work: Work) -> str | None:
    """Keep the page's picture, if it has one that can be had: an MP3 without one is fine."""
    url = entry.get("thumbnail")
    if not url:
        return None
    work.progress(MEDIA_PERCENT, "fetching the cover")
    try:
        with downloader.urlopen(url) as answer:
            blocks = iter(lambda: answer.read(65536), b"")
            picture = b"".join(client.capped(blocks, limit_bytes=COVER_LIMIT_BYTES, url=url))
    except WorkStopped:
        raise
    except (CeleriacError, RequestError, ValueError) as error:  # ValueError: it is no URL at all
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
