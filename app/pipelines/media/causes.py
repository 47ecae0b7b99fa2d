"""What made a download fail: yt-dlp's errors, and what hides behind them, as ours."""

import re
from collections.abc import Iterator

from yt_dlp.utils import (
    ContentTooShortError,
    DownloadCancelled,
    DownloadError,
    GeoRestrictedError,
    UnsupportedError,
    YoutubeDLError,
)

from app.errors import (
    CeleriacError,
    PermanentError,
    RetryableError,
    UnsupportedFormat,
)
from app.pipelines import disk

_TABLE: tuple[tuple[type[Exception], str, type[CeleriacError], str], ...] = (
    (UnsupportedError, "", UnsupportedFormat, "there is no audio or video that can be fetched"),
    (GeoRestrictedError, "", PermanentError, "not available from where the workers are"),
    (ContentTooShortError, "", RetryableError, "the file came incomplete ({detail})"),
    (DownloadCancelled, "", RetryableError, "the download was broken off ({detail})"),
    (DownloadError, "ffmpeg could not be found|DRM", UnsupportedFormat, "the stream is protected"),
    (YoutubeDLError, "", UnsupportedFormat, "cannot be downloaded ({detail})"),
)
"""Foreign error, what its message holds, ours, and the words for it.

The first row that fits any error of the chain wins: what yt-dlp says of a page (no formats,
private, protected) is true the next time, too. It asks for ffmpeg where it cannot read a stream.
"""


def of_error(
    error: BaseException, *, last_failure: CeleriacError | None, url: str
) -> BaseException:
    """The error to raise instead: ours, or the error itself when it is no failed download.

    Our own errors inside win, then a full disk, then what the latest request met, then the table.
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
    """The error and all that it says it was caused by, nearest first, each once."""
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
    """yt-dlp's message without its decoration and its advice to report a bug."""
    first = re.split(r"; please report this issue|\. See {2}", message)[0]
    return re.sub(r"^\s*(ERROR: )?(\[[\w:]+\] )?", "", first).strip()[:300]
