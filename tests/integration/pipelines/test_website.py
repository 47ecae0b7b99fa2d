"""Crawls of real local sites, good and hostile, through the real reader in its child process."""

import pytest

from app.pipelines.website import process
from app.pipelines.website.schema import Crawled, WebsiteParams
from tests.integration.pipelines.desk import Desk, OpenDesk
from tests.sites import web


def crawled(desk: Desk, url: str, **params: object) -> Crawled:
    values = {"chatbot_id": "bot", "source_id": "s", "url": url, **params}
    return process.process(WebsiteParams.model_validate(values), desk)


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    return open_desk(CELERIAC_WEBSITE_DELAY_S="0", CELERIAC_FETCH_TIMEOUT_S="2")


def test_the_pages_of_a_site_become_chunks(desk: Desk) -> None:
    with web.serve(fallback=web.many(30)) as site:
        found = crawled(desk, site.url, max_pages=40)
    chunks = desk.platform.chunks.of_source("s")
    assert (found.requested, found.pages, found.failed) == (35, 35, 0)
    assert (found.chunks, found.tokens) == (len(chunks), sum(chunk.tokens for chunk in chunks))
    assert chunks[3].text.startswith("Story 3\n\nThis is story 3.")
    assert chunks[3].metadata == {
        "headings": ["Story 3"],
        "url": f"{site.url}/story/3",
        "title": "Story 3",
        "language": "en",
    }
    assert desk.percents == sorted(desk.percents)
