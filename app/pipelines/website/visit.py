"""One page: asked for politely, its redirects followed by the rules, its body written to a file."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from app.errors import InvalidInput, LimitExceeded, PermanentError
from app.fetch import failures
from app.fetch.http_client import capped
from app.pipelines.website import page_urls, robots_and_sitemaps
from app.pipelines.website.outcomes import Skipped
from app.pipelines.website.robots_and_sitemaps import Robots
from app.pipelines.website.schema import Skip
from app.pipelines.website.site_client import SiteClient
from app.storage.crawled_pages import StoredPage

MAX_REDIRECTS = 10

HTML = frozenset({"text/html", "application/xhtml+xml"})

ACCEPTED = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1"

_SNIFFED_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A page whose body lies in the file."""

    url: str
    """Where the redirects led."""
    media_type: str
    digest: str
    etag: str | None
    modified: str | None
    directives: frozenset[str]
    """What `X-Robots-Tag` asks of us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """A page that is what it was."""

    page: StoredPage


Visit = Fetched | Unchanged | Skipped


class Visitor:
    """Fetches the pages of one site. `find_known` gives what is known of a page, when that can be
    used; `salt` is part of each digest, so that other ways to read make every page a new one."""

    def __init__(
        self,
        client: SiteClient,
        *,
        body: Path,
        limit_bytes: int,
        find_known: Callable[[str], StoredPage | None],
        salt: str,
    ) -> None:
        self._client = client
        self._body = body
        self._limit_bytes = limit_bytes
        self._find_known = find_known
        self._salt = salt
        self._robots: dict[str, Robots] = {}
        self._own_delay_s = client.delay_s

    def robots_of(self, url: str) -> Robots:
        """The rules of the page's host, whose delay applies from now on.

        Raises RetryableError.
        """
        host = page_urls.host_of(url)
        if host not in self._robots:
            self._robots[host] = robots_and_sitemaps.read_robots(url, self._client)
            self._client.delay_s = max(
                self._own_delay_s, *(found.delay_s for found in self._robots.values())
            )
        return self._robots[host]

    def is_allowed(self, url: str) -> bool:
        """Whether robots.txt lets us fetch the page. Raises RetryableError."""
        return self.robots_of(url).allows(url)

    def visit(self, url: str, *, site: str | None) -> Visit:
        """Fetch a page; without a `site` wherever it leads.

        Raises NotFound, RetryableError, LimitExceeded, PermanentError, and what the work raises.
        """
        seen: set[str] = set()
        target: str | None = url
        for _ in range(MAX_REDIRECTS + 1):
            if target is None:
                raise InvalidInput(f"{failures.shown(url)}: it redirects to no page")
            url = target
            if url in seen:
                break
            seen.add(url)
            if site is not None and page_urls.site_of(url) != site:
                return Skipped(reason=Skip.OFF_SITE)
            if not self.is_allowed(url):
                return Skipped(reason=Skip.ROBOTS)
            known = self._find_known(page_urls.normalized(url) or url)
            with self._client.answered(url, headers=_headers(known)) as answer:
                target, is_redirect = _redirect_of(answer, url)
                if not is_redirect:
                    return self._taken(answer, url, known)
                if "Set-Cookie" in answer.headers:
                    seen.clear()  # with a cookie the same address may be a page
        raise PermanentError(f"{failures.shown(url)}: it redirects in a circle")

    def _taken(self, answer: httpx2.Response, url: str, known: StoredPage | None) -> Visit:
        if answer.status_code == 304 and known is not None:
            return Unchanged(page=known)
        if answer.status_code >= 400:
            raise failures.of_status(
                answer.status_code,
                url=url,
                now=datetime.now(UTC),
                retry_after=answer.headers.get("Retry-After"),
            )
        media_type = answer.headers.get("Content-Type", "")
        kind = media_type.partition(";")[0].strip().lower()
        if kind and kind not in HTML:
            return Skipped(reason=Skip.NOT_HTML)
        digest = self._written(answer, url)
        if not kind and not self._looks_like_html():
            return Skipped(reason=Skip.NOT_HTML)
        if known is not None and known.body_digest == digest:
            return Unchanged(page=known)
        return Fetched(
            url=url,
            media_type=media_type,
            digest=digest,
            etag=answer.headers.get("ETag"),
            modified=answer.headers.get("Last-Modified"),
            directives=frozenset(
                page_urls.robots_directives(
                    answer.headers.get_list("X-Robots-Tag"), agent=robots_and_sitemaps.AGENT
                )
            ),
        )

    def _written(self, answer: httpx2.Response, url: str) -> str:
        """Write the body to its file; return its digest."""
        said = answer.headers.get("Content-Length", "")
        if said.isdecimal() and int(said) > self._limit_bytes:
            raise LimitExceeded(
                f"{failures.shown(url)} has {said} bytes: {self._limit_bytes} are read at most"
            )
        digest = hashlib.sha256()
        blocks = capped(answer.iter_bytes(), limit_bytes=self._limit_bytes, url=url)
        with self._body.open("wb") as file:
            for block in blocks:
                digest.update(block)
                file.write(block)
        return f"{self._salt}:{digest.hexdigest()}"

    def _looks_like_html(self) -> bool:
        with self._body.open("rb") as file:
            return file.read(_SNIFFED_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _redirect_of(answer: httpx2.Response, url: str) -> tuple[str | None, bool]:
    """Where the answer redirects to, if that is an address of the web, and whether it redirects."""
    if answer.has_redirect_location:
        return page_urls.absolute(answer.headers["Location"], base=url), True
    refresh = answer.headers.get("Refresh") if answer.status_code < 300 else None
    target = None if refresh is None else page_urls.refresh_target(refresh, base=url)
    return target, target is not None and target != url


def _headers(known: StoredPage | None) -> dict[str, str]:
    headers = {"Accept": ACCEPTED}
    # A header can only send ASCII back.
    if known is not None and known.etag is not None and known.etag.isascii():
        headers["If-None-Match"] = known.etag
    if known is not None and known.modified is not None and known.modified.isascii():
        headers["If-Modified-Since"] = known.modified
    return headers
