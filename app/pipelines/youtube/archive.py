"""Which videos were processed before with the same options: their keys in the archive."""

import hashlib
from urllib.parse import urldefrag

from app.fetch import failures
from app.pipelines.youtube.schema import Metadata, VideoOptions


def keys(told: Metadata, options: VideoOptions, *, asked_url: str) -> frozenset[str]:
    """Every key under which a listing may ask for the video."""
    by_address = (key_of_url(url, options) for url in (told.url, asked_url))
    if told.site == "generic":
        return frozenset(by_address)
    return frozenset([*by_address, key_of_id(told.site, told.video_id, options)])


def key_of_id(site: str, video_id: str, options: VideoOptions) -> str:
    return _key(f"{site} {video_id}", options)


def key_of_url(url: str, options: VideoOptions) -> str:
    return _key(urldefrag(failures.shown(url)).url, options)


def _key(identity: str, options: VideoOptions) -> str:
    asked = [options.extract_frames, options.prefer_captions, *options.languages]
    return hashlib.sha256("\n".join([identity, *map(str, asked)]).encode()).hexdigest()
