"""Submit a job for each video of a listing, and count the results."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.errors import PermanentError
from app.fetch import failures
from app.jobs.model.job import JobError, JobId, JobRequest, JobState
from app.jobs.model.work import Work
from app.jobs.store.children import Child
from app.pipelines.media import page
from app.pipelines.playlist.schema import (
    EntryFailure,
    FannedOut,
    FanOutOptions,
    PlaylistResult,
    Refused,
    SkippedVideo,
)
from app.pipelines.youtube import metadata
from app.pipelines.youtube.schema import VideoOptions, YoutubeParams
from app.storage.video_archive import Archived

TABS = frozenset({"YoutubeTab", "YoutubePlaylist"})
"""yt-dlp's names for entries that are listings themselves, such as the tabs of a channel."""

DEPTH = 2
"""Depth to which nested listings are read."""

Info = dict[str, Any]  # yt-dlp's

CHILD_KIND = "youtube"

BATCH = 100
"""Jobs that are submitted in one transaction."""

FAILURE_LIMIT = 1_000
"""Maximum of failures that a result lists."""

READ_PERCENT = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingEntry:
    """A video of a listing."""

    url: str | None
    title: str | None
    site: str
    """As `metadata.site_of` returns it."""
    own_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoListing:
    """Videos in the order of the site."""

    title: str | None
    url: str
    entries: tuple[ListingEntry, ...]


def read(url: str, work: Work, *, limit: int) -> VideoListing:
    """Read at most `limit` entries.

    Raises UnsupportedFormat (no video and no listing), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, and the errors of `check`.
    """
    options = {
        **page.guarded_options(work),
        "noplaylist": False,
        "match_filter": None,  # a live stream fails in its own job
        "extract_flat": "in_playlist",
        "playlist_items": f"1:{limit}",
        "ignore_no_formats_error": True,
    }
    with page.opened(url, work, options) as downloader:
        info = downloader.extract_info(url, download=False)
        found = tuple(entries_of(downloader, info, url, limit=limit))
    shown = failures.shown(info.get("webpage_url") or url)
    return VideoListing(title=page.short(info.get("title")), url=shown, entries=found)


def entries_of(
    downloader: Any, info: Info, url: str, *, limit: int, depth: int = DEPTH
) -> Iterator[ListingEntry]:  # Any: yt-dlp ships no types
    """The videos of the listing at the URL; a page with one video is a listing of it."""
    if info.get("_type") != "playlist":
        yield entry_of(info, url=url)
        return
    left = limit
    for raw in info.get("entries") or ():
        if raw is None:
            continue
        for entry in _expanded(downloader, raw, limit=left, depth=depth):
            yield entry
            left -= 1
            if left == 0:
                return


def _expanded(downloader: Any, raw: Info, *, limit: int, depth: int) -> Iterator[ListingEntry]:
    url = raw.get("url")
    if depth and url and raw.get("ie_key") in TABS:
        info = downloader.extract_info(url, download=False)
        yield from entries_of(downloader, info, url, limit=limit, depth=depth - 1)
    else:
        yield entry_of(raw, url=None)


def entry_of(raw: Info, *, url: str | None) -> ListingEntry:
    """The entry as its listing describes it."""
    own_id = raw.get("id")
    return ListingEntry(
        url=url or raw.get("url") or raw.get("webpage_url"),
        title=page.short(raw.get("title")),
        site=metadata.site_of(raw.get("ie_key") or raw.get("extractor_key")),
        own_id=own_id if isinstance(own_id, str) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An entry and the parameters of its job."""

    entry: ListingEntry
    params: YoutubeParams


def fan_out(url: str, options: FanOutOptions, work: Work, *, limit: int | None) -> FannedOut:
    """Read the listing at the URL and submit a job for each video. Safe to repeat.

    Raises as `read`, and UnsupportedFormat when the listing is empty.
    """
    settings = work.settings.sites
    work.progress(0, "reading the listing")
    found = read(url, work, limit=min(limit or settings.entry_limit, settings.entry_limit))
    work.progress(READ_PERCENT, f"{len(found.entries)} entries")
    for_videos = VideoOptions(**options.model_dump(include=set(VideoOptions.model_fields)))
    wanted, refused = _wanted(found, for_videos)
    distinct = list({str(one.params.url): one for one in wanted}.values())
    skips = settings.skip_archived if options.skip_archived is None else options.skip_archived
    known = _archived(_not_submitted(distinct, work), for_videos, work) if skips else {}
    fresh = [one for one in distinct if str(one.params.url) not in known]
    submitted = _submitted(fresh, work)
    return FannedOut(
        title=found.title,
        url=found.url,
        entries=len(found.entries),
        duplicates=len(wanted) - len(distinct),
        submitted=tuple(submitted),
        skipped=tuple(
            SkippedVideo(url=failures.shown(address), video_id=one.video_id, job_id=one.job_id)
            for address, one in known.items()
        ),
        refused=tuple(refused),
    )


def _wanted(found: VideoListing, options: VideoOptions) -> tuple[list[Wanted], list[Refused]]:
    wanted: list[Wanted] = []
    refused: list[Refused] = []
    for entry in found.entries:
        try:
            params = YoutubeParams.model_validate({"url": entry.url, **options.model_dump()})
        except ValidationError as error:
            reason = error.errors(include_url=False, include_input=False)[0]["msg"]
            refused.append(Refused(title=entry.title, reason=f"no address of a page: {reason}"))
        else:
            wanted.append(Wanted(entry=entry, params=params))
    return wanted, refused


def _not_submitted(wanted: Sequence[Wanted], work: Work) -> list[Wanted]:
    """The entries that no earlier run of this work has submitted: those may be archived by now, but
    count as submitted."""
    by_key = {_key(one.params, work): one for one in wanted}
    used = work.jobs.used_keys([*by_key])
    return [one for key, one in by_key.items() if key not in used]


def _archived(wanted: Sequence[Wanted], options: VideoOptions, work: Work) -> dict[str, Archived]:
    """The entries that were processed before, by URL."""
    keys = {str(one.params.url): _keys(one, options) for one in wanted}
    known = work.stores.video_archive.find([key for some in keys.values() for key in some])
    return {
        url: next(known[key] for key in some if key in known)
        for url, some in keys.items()
        if any(key in known for key in some)
    }


def _keys(one: Wanted, options: VideoOptions) -> list[str]:
    by_url = metadata.archive_key_of_url(str(one.params.url), options)
    if one.entry.site == "generic" or one.entry.own_id is None:
        return [by_url]
    return [metadata.archive_key_of_id(one.entry.site, one.entry.own_id, options), by_url]


def _submitted(wanted: Sequence[Wanted], work: Work) -> Iterator[str]:
    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]
        percent = READ_PERCENT + (100 - READ_PERCENT) * start / len(wanted)
        work.progress(percent, f"{start} of {len(wanted)} submitted")
        requests = [_request(one.params, work) for one in some]
        yield from (job.id for job in work.submit_children(requests))


def _request(params: YoutubeParams, work: Work) -> JobRequest:
    return JobRequest(
        pipeline=CHILD_KIND,
        params=params.model_dump(mode="json"),
        idempotency_key=_key(params, work),
    )


def _key(params: YoutubeParams, work: Work) -> str:
    """Idempotency key of an entry: constant over the runs of the work."""
    digest = hashlib.sha256(str(params.url).encode()).hexdigest()[:32]
    return f"{work.key}/{digest}"


def count_results(fanned_out: FannedOut, work: Work) -> PlaylistResult:
    """Count the results of the entries' jobs.

    Raises the error of the first job when all have failed and no entry was skipped.
    """
    children = work.jobs.children([JobId(one) for one in fanned_out.submitted])
    counts = {state: sum(child.state is state for child in children) for state in JobState}
    failed = [child for child in children if child.state is JobState.FAILED]
    if failed and len(failed) == len(children) and not fanned_out.skipped:
        raise _whole_failure(fanned_out, failed[0])
    return PlaylistResult(
        **fanned_out.model_dump(),
        succeeded=counts[JobState.SUCCEEDED],
        failed=counts[JobState.FAILED],
        cancelled=counts[JobState.CANCELLED],
        failures=tuple(_failure(child) for child in failed[:FAILURE_LIMIT]),
    )


def _whole_failure(fanned_out: FannedOut, first: Child) -> PermanentError:
    error = _error_of(first)
    return PermanentError(
        f"{fanned_out.url}: every entry failed, the first one by {error.type}: {error.message}"
    )


def _failure(child: Child) -> EntryFailure:
    error = _error_of(child)
    url = failures.shown(str(child.params["url"]))
    return EntryFailure(job_id=child.id, url=url, type=error.type, message=error.message)


def _error_of(child: Child) -> JobError:
    unknown = JobError(type="Unknown", message="no reason is kept", retryable=True, attempt=0)
    return child.error if child.error is not None else unknown
