"""Fetch what is said in the video of a page: its captions, by yt-dlp."""

from dataclasses import dataclass
from typing import Any

from app.errors import UnsupportedFormat
from app.fetch import client, failures
from app.jobs.work import Work
from app.pipelines.media import download
from app.pipelines.media.network import Downloader, Network
from app.pipelines.video_batch import captions
from app.pipelines.video_batch.captions import Track

CAPTIONS_LIMIT_BYTES = 16 * 1024 * 1024
"""A day of talking has a tenth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is said in a video."""

    page_url: str
    """As the site itself calls the page: the same for each way to write its address."""
    title: str | None
    language: str
    is_automatic: bool
    lines: tuple[str, ...]


def fetch(url: str, work: Work) -> Transcript:
    """Read the page and its captions.

    Raises UnsupportedFormat (no video, no captions), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, and what the work raises to stop.
    """
    network = Network(work.platform.settings.fetch, on_wait=work.check)
    options = {**download.guarded_options(work), "ignore_no_formats_error": True}
    with download.told(network, url), Downloader(options, network) as downloader:
        info = downloader.extract_info(url, download=False)
        entry = download.only_entry(info)
        track = captions.find_track(entry)
        if track is None:
            raise UnsupportedFormat(f"{failures.shown(url)}: the video has no captions")
        content = _content(downloader, track)
    said = tuple(captions.lines(content))
    if not said:
        raise UnsupportedFormat(f"{failures.shown(url)}: nothing is said in the captions")
    return Transcript(
        page_url=failures.shown(entry.get("webpage_url") or url),
        title=download.short(download.title_of(info, entry)),
        language=track.language,
        is_automatic=track.is_automatic,
        lines=said,
    )


def _content(downloader: Any, track: Track) -> str:  # Any: yt-dlp ships no types
    with downloader.urlopen(track.url) as answer:
        blocks = iter(lambda: answer.read(65536), b"")
        limited = client.capped(blocks, limit_bytes=CAPTIONS_LIMIT_BYTES, url=track.url)
        return b"".join(limited).decode("utf-8", "replace")
