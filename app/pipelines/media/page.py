"""Read a page with media by yt-dlp: through our network, without external programs.

Every use of yt-dlp goes through `opened`. It holds a slot of the site's semaphore when there is a
limit, and raises the true cause of a failure.
"""

import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import yt_dlp.globals
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadCancelled,
    DownloadError,
    GeoRestrictedError,
    UnsupportedError,
    YoutubeDLError,
)

from app.broker import semaphore
from app.errors import (
    CeleriacError,
    InvalidInput,
    PermanentError,
    RetryableError,
    UnsupportedFormat,
)
from app.fetch import failures
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media.ytdlp_network import Downloader, DownloadNetwork
from app.settings import FetchSettings, SiteSettings

_TABLE: tuple[tuple[type[Exception], str, type[CeleriacError], str], ...] = (
    (UnsupportedError, "", UnsupportedFormat, "there is no audio or video that can be fetched"),
    (GeoRestrictedError, "", PermanentError, "not available from where the workers are"),
    (ContentTooShortError, "", RetryableError, "the file came incomplete ({detail})"),
    (DownloadCancelled, "", RetryableError, "the download was broken off ({detail})"),
    (DownloadError, "ffmpeg could not be found|DRM", UnsupportedFormat, "the stream is protected"),
    (YoutubeDLError, "", UnsupportedFormat, "cannot be downloaded ({detail})"),
)
"""yt-dlp's error, a pattern of its message, our error, its message.

The first row that matches an error of the chain wins. Most are permanent: a page without formats,
private or protected, stays so. yt-dlp asks for ffmpeg when it cannot read a stream.
"""

log = logging.getLogger(__name__)

MAX_TEXT_LENGTH = 500

RETRIES = 3
"""Retries of a broken connection within one attempt; a file resumes where it stopped."""

PLAIN = "[protocol~='^(https?|m3u8|m3u8_native|http_dash_segments(_generator)?)$']"
"""Formats whose protocols yt-dlp implements. For others it starts programs."""

NO_PROGRAM = "/dev/null/ffmpeg"
"""A path that cannot exist: an ffmpeg started by yt-dlp would bypass our network."""


def cause_of(
    error: BaseException, *, last_failure: CeleriacError | None, url: str
) -> BaseException:
    """The error to raise instead; the error itself when it is not a failed download.

    Our own errors in the chain win, then a full disk, then the failure of the latest request, then
    the table.
    """
    chain = list(_chain(error))
    ours = next((link for link in chain if isinstance(link, CeleriacError)), None)
    if ours is not None:
        return ours
    if any(isinstance(link, OSError) and disk.is_full(link) for link in chain):
        return disk.full()
    if not any(isinstance(link, YoutubeDLError) for link in chain):
        return error
    return last_failure or _of_table(chain, url)


def _of_table(chain: list[BaseException], url: str) -> CeleriacError:
    ours, words = next(
        (ours, words)
        for foreign, pattern, ours, words in _TABLE
        if any(isinstance(link, foreign) and re.search(pattern, str(link)) for link in chain)
    )
    return ours(f"{url}: {words.format(detail=_plain(str(chain[0])))}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, nearest first, each once."""
    waiting, met = [error], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in met:
            continue
        met.add(id(link))
        yield link
        exc_info = getattr(link, "exc_info", None) or (None, None, None)
        behind = (getattr(link, "cause", None), exc_info[1], link.__cause__, link.__context__)
        waiting += [found for found in behind if isinstance(found, BaseException)]


def _plain(message: str) -> str:
    """yt-dlp's message without its prefix and its advice to report a bug."""
    first = re.split(r"; please report this issue|\. See {2}", message)[0]
    return re.sub(r"^\s*(ERROR: )?(\[[\w:]+\] )?", "", first).strip()[:300]


@contextmanager
def opened(url: str, work: Work, options: dict[str, Any]) -> Iterator[Downloader]:
    """yt-dlp for this page. The block raises our errors only: also LimitExceeded, when the page
    was not read in its time."""
    settings = work.settings
    with _site_slot(url, work) as keep:
        network = DownloadNetwork(
            _reach(settings.fetch, settings.sites),
            on_wait=keep,
            bytes_per_s=settings.sites.bytes_per_s,
            time_limit_s=settings.sites.page_time_s,
        )
        with errors_translated(network, url), Downloader(options, network) as downloader:
            yield downloader


@contextmanager
def _site_slot(url: str, work: Work) -> Iterator[Callable[[], None]]:
    """Hold a slot of the site's semaphore. The function renews it and checks the work."""
    most = work.settings.sites.concurrency
    if most is None:
        yield work.check
        return
    with semaphore.held(work.redis, site_of(url), most=most, check=work.check) as keep:
        yield keep


def site_of(url: str) -> str:
    """Name of the site, by which it is limited.

    >>> site_of("https://user@www.Example.org:443/watch?v=1")
    'example.org'
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return (host or "").removeprefix("www.")


def _reach(fetch: FetchSettings, sites: SiteSettings) -> FetchSettings:
    if sites.proxy_url is None:
        return fetch
    return fetch.model_copy(update={"proxy_url": sites.proxy_url.get_secret_value()})


def guarded_options(work: Work) -> dict[str, Any]:  # Any: yt-dlp's options
    """Options of every use of yt-dlp: one video per page, our network, no external programs."""
    yt_dlp.globals.plugin_dirs.value = []  # no code from configuration folders
    FFmpegPostProcessor._ffmpeg_location.set(NO_PROGRAM)  # for code that ignores our options
    return {
        "noplaylist": True,
        "playlist_items": "1",
        "match_filter": _refuse_live,
        "ignoreerrors": False,
        "retries": RETRIES,
        "socket_timeout": work.settings.fetch.timeout_s,
        "proxy": "",
        "cookiefile": _cookies(work.settings.sites),
        "external_downloader": "native",
        "ffmpeg_location": NO_PROGRAM,
        "cachedir": False,
        "quiet": True,
        "noprogress": True,
        "logger": _Log(),
    }


def _cookies(sites: SiteSettings) -> io.StringIO | None:
    """A copy of the cookies file: yt-dlp would write cookies back to the shared file."""
    if sites.cookies_file is None:
        return None
    try:
        return io.StringIO(sites.cookies_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"the cookies file cannot be read: {error}") from error


class _Log:
    """Logs yt-dlp's messages for debugging; errors carry what users need."""

    def debug(self, message: str) -> None:
        log.debug("yt-dlp", extra={"text": message})

    warning = error = debug


def _refuse_live(info: dict[str, Any], *, incomplete: bool = False) -> None:
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise UnsupportedFormat("live streams are not recorded: come back when it has ended")


@contextmanager
def errors_translated(network: DownloadNetwork, url: str) -> Iterator[None]:
    """Raise the true cause of yt-dlp's errors within the block."""
    try:
        yield
    except Exception as error:
        cause = cause_of(error, last_failure=network.last_failure, url=failures.shown(url))
        if cause is error:
            raise
        raise cause from error


def only_entry(info: dict[str, Any]) -> dict[str, Any]:
    """The media itself: yt-dlp may return a page as a playlist of its media."""
    if info.get("_type") != "playlist":
        return info
    entries = [entry for entry in info.get("entries") or () if entry is not None]
    if not entries:
        raise UnsupportedFormat("there is no audio or video that can be fetched")
    return only_entry(entries[0])


def title_of(info: dict[str, Any], entry: dict[str, Any]) -> str | None:
    """Title of the media. yt-dlp numbers the media of a page, even a single one."""
    title: str | None = entry.get("title")
    if title is None or info is not entry or not str(entry.get("id")).endswith("-1"):
        return title
    return title.removesuffix(" (1)")


def short(text: str | None) -> str | None:
    """Text of a page, cut to a length fit for a row."""
    return None if text is None else text[:MAX_TEXT_LENGTH]


def date(compact: str | None) -> str | None:
    """
    >>> date("20260504")
    '2026-05-04'
    """
    if compact is None or len(compact) != 8:
        return None
    return f"{compact[:4]}-{compact[4:6]}-{compact[6:]}"
