"""Ask PubMed for an article by NCBI's E-utilities, no faster than NCBI allows."""

from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import httpx2

from app.errors import NotFound
from app.fetch import client, failures
from app.fetch.client import Fetcher
from app.jobs.model.work import Work
from app.pipelines.video import article, pace
from app.pipelines.video.article import Article
from app.settings import FetchSettings, VideoSettings

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
"""An article takes some tens of kilobytes, one with thousands of authors a megabyte."""

REQUESTS_PER_S, REQUESTS_PER_S_WITH_KEY = 3.0, 10.0
"""NCBI's own limits."""


def fetch(pubmed_id: str, work: Work) -> Article:
    """Raises NotFound, UnsupportedFormat (no abstract), InvalidInput, LimitExceeded, RateLimited,
    RetryableError, and what the work raises to stop."""
    settings = work.platform.settings.video
    has_key = settings.pubmed_api_key is not None
    pace.wait(
        work.platform.redis,
        "pubmed",
        per_second=REQUESTS_PER_S_WITH_KEY if has_key else REQUESTS_PER_S,
        on_wait=work.check,
    )
    content = _answer(pubmed_id, settings, work)
    return article.parse_article(content, pubmed_id=pubmed_id)


def _answer(pubmed_id: str, settings: VideoSettings, work: Work) -> bytes:
    asked = {"db": "pubmed", "id": pubmed_id, "retmode": "xml", "tool": "celeriac"}
    if settings.pubmed_email:
        asked["email"] = settings.pubmed_email
    url = f"{settings.pubmed_url.rstrip('/')}/efetch.fcgi?{urlencode(asked)}"
    network = _network(work.platform.settings.fetch, url)
    with Fetcher(network, on_wait=work.check) as fetcher, failures.translated(url):
        response = _sent(url, settings, fetcher)
        try:
            if response.status_code == 400:  # so it answers an id that cannot be
                raise NotFound(f"PubMed has no article {pubmed_id}")
            if response.status_code > 400:
                raise failures.of_status(
                    response.status_code,
                    url=url,
                    now=datetime.now(UTC),
                    retry_after=response.headers.get("Retry-After"),
                )
            blocks = client.capped(response.iter_bytes(), limit_bytes=ANSWER_LIMIT_BYTES, url=url)
            return b"".join(blocks)
        finally:
            response.close()


def _sent(url: str, settings: VideoSettings, fetcher: Fetcher) -> httpx2.Response:
    """The key goes into the body: addresses are written to logs, here and on the way."""
    if settings.pubmed_api_key is None:
        return fetcher.send(url)
    form = urlencode({"api_key": settings.pubmed_api_key.get_secret_value()})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return fetcher.send(url, method="POST", headers=headers, content=form.encode())


def _network(settings: FetchSettings, url: str) -> FetchSettings:
    """The operator names PubMed's address, so it may be one of the own network."""
    host = urlsplit(url).hostname or ""
    return settings.model_copy(update={"allowed_hosts": (*settings.allowed_hosts, host)})
