"""The media file of a page, for a while: fetched small, and removed when it was looked at."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media import page, transfer

HEIGHT = 720
"""Pixels of a video that is enough to look at; larger ones are taken where there is no other."""

SOUND = f"bestaudio{page.PLAIN}/best{page.PLAIN}"
"""What is fetched to be heard."""

PICTURE = (
    f"bestvideo[height<=?{HEIGHT}]{page.PLAIN}/best[height<=?{HEIGHT}]{page.PLAIN}"
    f"/bestvideo{page.PLAIN}/best{page.PLAIN}"
)
"""What is fetched to be seen."""

BOTH = (
    f"best[height<=?{HEIGHT}]{page.PLAIN}/best{page.PLAIN}"
    f"/(bestvideo[height<=?{HEIGHT}]{page.PLAIN},bestaudio{page.PLAIN})"
)
"""What is fetched to be seen and heard: one file, or one of each where a site keeps them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The files; the same one twice where it holds all that was wanted."""

    picture: Path
    sound: Path


@contextmanager
def fetched(
    url: str, work: Work, wanted: str, *, span: tuple[float, float] | None = None
) -> Iterator[Footage]:
    """The media, in the work's folder until the block ends well: an attempt that follows a failure
    goes on where this one stopped. Progress goes through `span`, when it is given.

    Raises UnsupportedFormat (no such media, protected), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, StorageUnavailable, and what the work raises to stop.
    """
    name = f"source-{hashlib.sha256(url.encode()).hexdigest()[:12]}"  # no other video goes on here
    options = transfer.options(work, wanted=wanted, span=span, name=name)
    with disk.watched(), page.opened(url, work, options) as downloader:
        entry = page.only_entry(downloader.extract_info(url))
    files = [
        disk.confined(work.directory, Path(file["filepath"]).name)
        for file in entry["requested_downloads"]
    ]
    yield Footage(picture=files[0], sound=files[-1])
    for file in files:
        file.unlink(missing_ok=True)
