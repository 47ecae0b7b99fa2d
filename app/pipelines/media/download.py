"""Download the best audio of a page or file, resuming what an earlier attempt left."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yt_dlp.globals
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from app.errors import CeleriacError, UnsupportedFormat, WorkStopped
from app.fetch import client, failures
from app.jobs.work import Work
from app.pipelines import disk
from app.pipelines.media import causes
from app.pipelines.media.meter import Meter
from app.pipelines.media.network import Downloader, Network
from app.pipelines.media.schema import Downloaded, MediaParams

log = logging.getLogger(__name__)

MAX_TEXT_LENGTH = 500

COVER_LIMIT_BYTES = 10 * 1024 * 1024

READ_PERCENT, MEDIA_PERCENT, COVER_PERCENT = 5.0, 95.0, 98.0
"""Where reading the page, the media file and the cover end."""

RETRIES = 3
"""Of a request whose connection broke, within one attempt; a file goes on where it stopped."""

_PLAIN = "[protocol~='^(https?|m3u8|m3u8_native|http_dash_segments(_generator)?)$']"
"""Protocols that yt-dlp speaks itself. For the others it starts programs."""

FORMAT = f"bestaudio{_PLAIN}/best{_PLAIN}"

NO_PROGRAM = "/dev/null/ffmpeg"
"""A path that cannot exist: yt-dlp must find no ffmpeg, which would fetch past our network."""


def download(params: MediaParams, work: Work) -> Downloaded:
    """Fetch the audio (with its video where there is no other) into the work's folder.

    Raises UnsupportedFormat (no media, live, protected), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, StorageUnavailable, and what the work raises to stop.
    """
    url = str(params.url)
    work.progress(0, "reading the page")
    network = Network(work.platform.settings.fetch, on_wait=work.check)
    with told(network, url), disk.watched(), Downloader(_options(work), network) as downloader:
        info = downloader.extract_info(url)
        entry = only_entry(info)
        cover = _cover(downloader, entry, work)
    work.progress(100, "downloaded")
    return _downloaded(params, info, entry, cover=cover, work=work)


def _options(work: Work) -> dict[str, Any]:  # Any: yt-dlp's options
    return {
        **guarded_options(work),
        "format": FORMAT,
        "outtmpl": {"default": "source-%(format_id)s.%(ext)s"},
        "paths": {"home": str(work.directory)},
        "restrictfilenames": True,
        "trim_file_name": 80,
        "progress_hooks": [_hook(work)],
        "fragment_retries": RETRIES,
        "skip_unavailable_fragments": False,
        "hls_prefer_native": True,
        "fixup": "never",
        "updatetime": False,
    }


def guarded_options(work: Work) -> dict[str, Any]:  # Any: yt-dlp's options
    """What every use of yt-dlp needs: one video a page, our network, no program of the machine."""
    yt_dlp.globals.plugin_dirs.value = []  # no code from configuration folders
    FFmpegPostProcessor._ffmpeg_location.set(NO_PROGRAM)  # for those who ask without our options
    return {
        "noplaylist": True,
        "playlist_items": "1",
        "match_filter": _refuse_live,
        "ignoreerrors": False,
        "retries": RETRIES,
        "socket_timeout": work.platform.settings.fetch.timeout_s,
        "proxy": "",
        "external_downloader": "native",
        "ffmpeg_location": NO_PROGRAM,
        "cachedir": False,
        "quiet": True,
        "noprogress": True,
        "logger": _Log(),
    }


class _Log:
    """yt-dlp's messages, for us: what a user needs to know is in the error."""

    def debug(self, message: str) -> None:
        log.debug("yt-dlp", extra={"said": message})

    warning = error = debug


def _refuse_live(info: dict[str, Any], *, incomplete: bool = False) -> None:
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise UnsupportedFormat("live streams are not recorded: come back when it has ended")


def _hook(work: Work) -> Any:  # a function that yt-dlp calls
    meter = Meter(limit_bytes=work.platform.settings.files.download_limit_bytes)
    percent = READ_PERCENT

    def report(told: dict[str, Any]) -> None:
        nonlocal percent
        reading = meter.read(told)
        if reading.done_ratio is not None:
            reached = READ_PERCENT + reading.done_ratio * (MEDIA_PERCENT - READ_PERCENT)
            percent = max(percent, reached)
        work.progress(percent, reading.message, speed=reading.speed, eta_seconds=reading.eta_s)

    return report


@contextmanager
def told(network: Network, url: str) -> Iterator[None]:
    """Raise the true cause of what yt-dlp raises within the block."""
    try:
        yield
    except Exception as error:
        cause = causes.of_error(error, last_failure=network.last_failure, url=failures.shown(url))
        if cause is error:
            raise
        raise cause from error


def only_entry(info: dict[str, Any]) -> dict[str, Any]:
    """The media itself: a page can be a playlist of what is on it."""
    if info.get("_type") != "playlist":
        return info
    entries = [entry for entry in info.get("entries") or () if entry is not None]
    if not entries:
        raise UnsupportedFormat("there is no audio or video that can be fetched")
    return only_entry(entries[0])


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
    page_title = short(title_of(info, entry))
    artists = ", ".join(entry.get("artists") or ()) or entry.get("artist")
    performer = artists or entry.get("uploader") or entry.get("channel")
    return Downloaded(
        source_url=failures.shown(str(params.url)),
        file=path.name,
        size_bytes=path.stat().st_size,
        cover=cover,
        name=page_title or "audio",
        title=params.title or (None if entry.get("direct") else page_title),
        artist=params.artist or short(performer),
        album=params.album or short(entry.get("album")),
        date=_date(entry.get("release_date") or entry.get("upload_date")),
        bitrate=params.bitrate,
    )


def title_of(info: dict[str, Any], entry: dict[str, Any]) -> str | None:
    """The media's title. yt-dlp numbers what it finds in a page, also where there is only one."""
    title: str | None = entry.get("title")
    if title is None or info is not entry or not str(entry.get("id")).endswith("-1"):
        return title
    return title.removesuffix(" (1)")


def short(text: str | None) -> str | None:
    """What a page says, cut to what a row should hold."""
    return None if text is None else text[:MAX_TEXT_LENGTH]


def _date(compact: str | None) -> str | None:
    """
    >>> _date("20260504")
    '2026-05-04'
    """
    if compact is None or len(compact) != 8:
        return None
    return f"{compact[:4]}-{compact[4:6]}-{compact[6:]}"
