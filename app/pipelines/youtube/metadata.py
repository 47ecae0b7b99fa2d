"""Read yt-dlp's data of a video. Nothing in it is trusted to have a type or size."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urldefrag

from app.fetch import failures
from app.pipelines.media import page
from app.pipelines.youtube.schema import Chapter, Metadata, VideoOptions

DESCRIPTION_LENGTH = 20_000

TAG_LIMIT = 100

CHAPTER_LIMIT = 500

NAMELESS_SITES = frozenset({"generic", "html5mediaembed"})
"""yt-dlp's extractors for unknown sites: their ids are file names."""

Info = Mapping[str, Any]  # yt-dlp's


def archive_keys(video: Metadata, options: VideoOptions, *, asked_url: str) -> frozenset[str]:
    """Each key by which a listing may look up the video."""
    by_address = (archive_key_of_url(url, options) for url in (video.url, asked_url))
    if video.site == "generic":
        return frozenset(by_address)
    return frozenset([*by_address, archive_key_of_id(video.site, video.video_id, options)])


def archive_key_of_id(site: str, video_id: str, options: VideoOptions) -> str:
    return _key(f"{site} {video_id}", options)


def archive_key_of_url(url: str, options: VideoOptions) -> str:
    return _key(urldefrag(failures.shown(url)).url, options)


def _key(identity: str, options: VideoOptions) -> str:
    asked = [options.extract_frames, options.prefer_captions, *options.languages]
    return hashlib.sha256("\n".join([identity, *map(str, asked)]).encode()).hexdigest()


def of_page(info: dict[str, Any], entry: dict[str, Any], *, url: str) -> Metadata:  # yt-dlp's
    """Metadata of the video `entry` of the page `info` at `url`."""
    own_url = failures.shown(entry.get("webpage_url") or url)
    site = site_of(entry.get("extractor_key") or info.get("extractor_key"))
    return Metadata(
        video_id=video_id(site, entry.get("id"), url=own_url),
        site=site,
        url=own_url,
        title=page.short(page.title_of(info, entry)),
        uploader=page.short(_text(entry.get("uploader") or entry.get("channel"))),
        duration_s=_number(entry.get("duration")),
        upload_date=page.date(_text(entry.get("upload_date"))),
        description=_description(entry, info),
        tags=tuple(text[:200] for text in map(_text, entry.get("tags") or ()) if text)[:TAG_LIMIT],
        chapters=tuple(_chapters(entry))[:CHAPTER_LIMIT],
        thumbnail_url=_address(entry.get("thumbnail") or info.get("thumbnail")),
    )


def site_of(extractor_key: object) -> str:
    """
    >>> site_of("Youtube"), site_of("HTML5MediaEmbed"), site_of(None)
    ('youtube', 'generic', 'generic')
    """
    name = str(extractor_key or "generic").lower()
    return "generic" if name in NAMELESS_SITES else name


def video_id(site: str, own_id: object, *, url: str) -> str:
    """The site's id if it has one; else a digest of the URL.

    >>> video_id("youtube", "abc123XYZ_-", url="https://www.youtube.com/watch?v=abc123XYZ_-")
    'abc123XYZ_-'
    >>> video_id("generic", "clip-1", url="https://example.org/clip#t=3")
    '6749ad1a7fcf99e9'
    """
    if site != "generic" and own_id:
        return str(own_id)[:200]
    return hashlib.sha256(urldefrag(url).url.encode()).hexdigest()[:16]


def _description(entry: Info, info: Info) -> str | None:
    text = _text(entry.get("description") or info.get("description"))
    return None if text is None else text[:DESCRIPTION_LENGTH]


def _chapters(entry: Info) -> Iterator[Chapter]:
    for raw in entry.get("chapters") or ():
        start_s = _number(raw.get("start_time"))
        if start_s is not None:
            title = page.short(_text(raw.get("title"))) or ""
            yield Chapter(start_s=start_s, end_s=_number(raw.get("end_time")), title=title)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _address(value: object) -> str | None:
    return failures.shown(value)[:2000] if isinstance(value, str) else None
