"""The entries of a playlist, channel, feed or search, without looking at the videos themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.fetch import failures
from app.jobs.model.work import Work
from app.pipelines.media import page
from app.pipelines.youtube import metadata

TABS = frozenset({"YoutubeTab", "YoutubePlaylist"})
"""What yt-dlp calls entries that are listings themselves: a channel has tabs."""

DEPTH = 2
"""How far listings of listings are followed."""

Info = dict[str, Any]  # what yt-dlp tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A video of a listing."""

    url: str | None
    title: str | None
    site: str
    """As `metadata.site_of` calls it."""
    own_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Videos in the order of their site."""

    title: str | None
    url: str
    entries: tuple[Entry, ...]


def read(url: str, work: Work, *, limit: int) -> Listing:
    """Read at most `limit` entries.

    Raises UnsupportedFormat (no video and no listing), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, and what the work raises to stop.
    """
    options = {
        **page.guarded_options(work),
        "noplaylist": False,
        "match_filter": None,  # a live stream among the entries fails alone, in its own job
        "extract_flat": "in_playlist",
        "playlist_items": f"1:{limit}",
        "ignore_no_formats_error": True,
    }
    limit_s = work.platform.settings.sites.page_time_s
    with page.opened(url, work, options, time_limit_s=limit_s) as downloader:
        info = downloader.extract_info(url, download=False)
        found = tuple(entries_of(downloader, info, url, limit=limit))
    told = failures.shown(info.get("webpage_url") or url)
    return Listing(title=page.short(info.get("title")), url=told, entries=found)


def entries_of(
    downloader: Any, info: Info, url: str, *, limit: int, depth: int = DEPTH
) -> Iterator[Entry]:  # Any: yt-dlp ships no types
    """The videos of what yt-dlp read at the URL; of a page with one video, this one."""
    if info.get("_type") != "playlist":
        yield entry_of(info, url=url)
        return
    left = limit
    for told in info.get("entries") or ():
        if told is None:
            continue
        for entry in _expanded(downloader, told, limit=left, depth=depth):
            yield entry
            left -= 1
            if left == 0:
                return


def _expanded(downloader: Any, told: Info, *, limit: int, depth: int) -> Iterator[Entry]:
    url = told.get("url")
    if depth and url and told.get("ie_key") in TABS:
        info = downloader.extract_info(url, download=False)
        yield from entries_of(downloader, info, url, limit=limit, depth=depth - 1)
    else:
        yield entry_of(told, url=None)


def entry_of(told: Info, *, url: str | None) -> Entry:
    """An entry as its listing tells of it."""
    own_id = told.get("id")
    return Entry(
        url=url or told.get("url") or told.get("webpage_url"),
        title=page.short(told.get("title")),
        site=metadata.site_of(told.get("ie_key") or told.get("extractor_key")),
        own_id=own_id if isinstance(own_id, str) else None,
    )
