"""Crawls of local sites, in the calls that their tests share."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.pipelines.website import crawl_stage
from app.pipelines.website.schema import Crawled, WebsiteParams
from app.testing import RecordedWork
from tests.sites.web import Answer, Web

Routes = Mapping[str, Answer | Callable[[], Answer]]

SETTINGS = {
    "CELERIAC_WEBSITE_DELAY_S": "0",
    "CELERIAC_FETCH_TIMEOUT_S": "5",
    "CELERIAC_WEBSITE_PAGE_S": "1",
    "CELERIAC_WEBSITE_PAGE_BYTES": "1000000",
}


def crawled(work: RecordedWork, url: str, **params: object) -> Crawled:
    values = {"chatbot_id": "bot", "source_id": "s", "url": url, **params}
    return crawl_stage.process(WebsiteParams.model_validate(values), work)


def known_pages(work: RecordedWork, site: Web) -> dict[str, str]:
    """What the bot knows: path of each page to the text of its chunks."""
    found: dict[str, str] = {}
    for chunk in work.stores.chunks.of_source("s"):
        path = chunk.metadata["url"].removeprefix(site.url)
        found[path] = found.get(path, "") + chunk.text
    return found


def failed(found: Crawled, site: Web) -> dict[str, str]:
    """Path of each page that failed to the error's type."""
    return {failure.url.removeprefix(site.url): failure.type for failure in found.failures}


def again(work: RecordedWork) -> RecordedWork:
    """The work of the next job."""
    return replace(work, key=f"{work.key}-again", reports=[])
