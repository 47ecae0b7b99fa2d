"""What a crawl left out, counted by reason, in words for a person."""

from collections.abc import Iterator, Mapping

from app.documents.items import CaveatCode
from app.pipelines.reading_warnings import ReadingWarning
from app.pipelines.website.crawl_store import CrawlTotals
from app.pipelines.website.frontier import LeftOut
from app.pipelines.website.schema import Skip

_SKIPPED = {
    Skip.ROBOTS: "robots.txt disallows them",
    Skip.HIDDEN: "they ask not to be indexed",
    Skip.NOT_HTML: "they are not HTML",
    Skip.OFF_SITE: "they redirect to another site",
    Skip.DUPLICATE: "they are other addresses or copies of pages that were kept",
    Skip.ALIKE: "their texts differ from those of many others only in their numbers",
    Skip.NO_TEXT: "they have no text",
}

_LEFT_OUT = {
    LeftOut.DEPTH: "they are too many links away from the first page (max_depth)",
    LeftOut.ENDLESS: "they look like endlessly many addresses of the same pages",
    LeftOut.MANY: "there are too many of them for the limit on pages (max_pages)",
}


def of_crawl(
    totals: CrawlTotals, skipped: Mapping[Skip, int], left_out: Mapping[LeftOut, int]
) -> Iterator[ReadingWarning]:
    """A warning for each reason."""
    for skip, why in _SKIPPED.items():
        yield from _warning(CaveatCode.PAGES_SKIPPED, skipped.get(skip, 0), f"skipped: {why}")
    yield from _warning(CaveatCode.PAGES_FAILED, totals.failed, "could not be read: see failures")
    yield from _warning(
        CaveatCode.ADDRESSES_LEFT_OUT,
        totals.waiting,
        "not requested: the limit on pages or time was reached",
    )
    for reason, why in _LEFT_OUT.items():
        count = left_out.get(reason, 0)
        yield from _warning(CaveatCode.ADDRESSES_LEFT_OUT, count, f"not requested: {why}")


def _warning(code: CaveatCode, count: int, what: str) -> Iterator[ReadingWarning]:
    if count:
        subject = "1 page" if count == 1 else f"{count} pages"
        yield ReadingWarning(code=code, message=f"{subject} {what}.", count=count)
