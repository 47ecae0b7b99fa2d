"""Fetch an article from PubMed and parse its XML."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlencode, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import httpx2
import redis

from app.errors import InvalidInput, NotFound, UnsupportedFormat
from app.fetch import failures, http_client
from app.fetch.http_client import Fetcher
from app.jobs.model.work import Work
from app.settings import FetchSettings, VideoSettings

DEPTH_LIMIT = 60
"""Maximum depth of elements. PubMed's XML has a dozen levels."""

SHOWN_AUTHORS = 3

log = logging.getLogger(__name__)

KEY = "celeriac:pace:{name}"

SLICE_S = 0.25

# Takes the next free slot by Redis' clock, and records the one after it.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local free = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
redis.call('SET', KEYS[1], free + tonumber(ARGV[1]), 'PX', free - now + tonumber(ARGV[1]) + 1000)
return free - now
"""

_lock = threading.Lock()

_free_at: dict[str, float] = {}

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
"""Typical articles have tens of kilobytes; with thousands of authors, a megabyte."""

REQUESTS_PER_S, REQUESTS_PER_S_WITH_KEY = 3.0, 10.0
"""NCBI's limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the abstract."""

    label: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article with an abstract."""

    pubmed_id: str
    title: str
    authors: tuple[str, ...]
    journal: str | None
    year: str | None
    doi: str | None
    sections: tuple[Section, ...]


def parse_article(content: bytes, *, pubmed_id: str) -> Article:
    """Parse the article in an answer of `efetch`.

    Raises NotFound (no such article), InvalidInput (not XML, or XML that declares entities),
    UnsupportedFormat (no abstract).
    """
    record = _record(_tree(content), pubmed_id)
    sections = tuple(_sections(record))
    if not sections:
        raise UnsupportedFormat(f"PubMed has no abstract of article {pubmed_id}")
    return Article(
        pubmed_id=pubmed_id,
        title=_first(record, ".//ArticleTitle", ".//BookTitle") or f"PubMed {pubmed_id}",
        authors=tuple(_authors(record)),
        journal=_first(record, ".//Journal/Title", ".//Book/BookTitle", ".//MedlineTA"),
        year=_year(record),
        doi=_first(record, ".//ELocationID[@EIdType='doi']", ".//ArticleId[@IdType='doi']"),
        sections=sections,
    )


def _tree(content: bytes) -> Element:
    builder = TreeBuilder()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_LIMIT:
            raise InvalidInput("PubMed's answer is nested too deeply")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise InvalidInput("PubMed's answer declares entities, which is refused")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)  # noqa: FBT003  # expat takes no names
        return builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise InvalidInput(f"PubMed's answer is not XML: {error}") from error


def _record(tree: Element, pubmed_id: str) -> Element:
    for record in (*tree.iter("PubmedArticle"), *tree.iter("PubmedBookArticle")):
        found = record.find(".//PMID")
        if found is not None and _text(found) == pubmed_id:
            return record
    error = tree.find(".//ERROR")
    reason = f": {_text(error)[:200]}" if error is not None else ""
    raise NotFound(f"PubMed has no article {pubmed_id}{reason}")


def _sections(record: Element) -> Iterator[Section]:
    abstract = record.find(".//Abstract")
    for part in abstract.iterfind("AbstractText") if abstract is not None else ():
        text = _text(part)
        if text:
            yield Section(label=_label(part.get("Label") or part.get("NlmCategory")), text=text)


def _label(written: str | None) -> str | None:
    """
    >>> _label("METHODS AND RESULTS"), _label("UNLABELLED"), _label(None)
    ('Methods and results', None, None)
    """
    words = " ".join((written or "").split())
    if not words or words.upper() in ("UNLABELLED", "UNASSIGNED"):
        return None
    return words.capitalize() if words.isupper() else words


def _authors(record: Element) -> Iterator[str]:
    for author in record.iterfind(".//AuthorList/Author"):
        group = _first(author, "CollectiveName")
        names = [
            _first(author, "ForeName") or _first(author, "Initials"),
            _first(author, "LastName"),
        ]
        name = group or " ".join(part for part in names if part)
        if name:
            yield name


def _year(record: Element) -> str | None:
    written = _first(
        record, ".//JournalIssue/PubDate/Year", ".//JournalIssue/PubDate/MedlineDate", ".//PubDate"
    )
    found = re.search(r"\d{4}", written or "")
    return found[0] if found else None


def _first(element: Element, *paths: str) -> str | None:
    for path in paths:
        found = element.find(path)
        if found is not None and _text(found):
            return _text(found)
    return None


def _text(element: Element) -> str:
    """Text of the element without markup and line breaks; double escapes are resolved."""
    whole = "".join(element.itertext())
    whole = re.sub(r"</?(?:i|b|u|em|strong|sup|sub|sc|p|br)\s*/?>", "", whole, flags=re.IGNORECASE)
    return " ".join(whole.split())


def byline(article: Article) -> str:
    """Authors, journal and year in one line."""
    names = ", ".join(article.authors[:SHOWN_AUTHORS])
    if len(article.authors) > SHOWN_AUTHORS:
        names += " and others"
    return ". ".join(part for part in (names, article.journal, article.year) if part)


def wait_for_pubmed(
    client: "redis.Redis", name: str, *, per_second: float, on_wait: Callable[[], None]
) -> None:
    """Wait for a slot of the rate limit. Without Redis it is shared by this process only."""
    interval_s = 1 / per_second
    try:
        key = KEY.format(name=name)
        answer = client.eval(_TAKE, 1, key, str(round(interval_s * 1000)))
        pause_s = cast(int, answer) / 1000  # sync or async, by type
    except (redis.RedisError, OSError) as error:
        log.warning("the rate limit is kept by this process only", extra={"reason": str(error)})
        pause_s = _own_pause_s(name, interval_s)
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0:
        on_wait()
        time.sleep(min(SLICE_S, left_s))


def _own_pause_s(name: str, interval_s: float) -> float:
    with _lock:
        now = time.monotonic()
        free = max(now, _free_at.get(name, 0.0))
        _free_at[name] = free + interval_s
        return free - now


def fetch_article(pubmed_id: str, work: Work) -> Article:
    """Raises NotFound, UnsupportedFormat (no abstract), InvalidInput, LimitExceeded, RateLimited,
    RetryableError, and the errors of `check`."""
    settings = work.settings.video
    has_key = settings.pubmed_api_key is not None
    wait_for_pubmed(
        work.redis,
        "pubmed",
        per_second=REQUESTS_PER_S_WITH_KEY if has_key else REQUESTS_PER_S,
        on_wait=work.check,
    )
    content = _answer(pubmed_id, settings, work)
    return parse_article(content, pubmed_id=pubmed_id)


def _answer(pubmed_id: str, settings: VideoSettings, work: Work) -> bytes:
    asked = {"db": "pubmed", "id": pubmed_id, "retmode": "xml", "tool": "celeriac"}
    if settings.pubmed_email:
        asked["email"] = settings.pubmed_email
    url = f"{settings.pubmed_url.rstrip('/')}/efetch.fcgi?{urlencode(asked)}"
    network = _network(work.settings.fetch, url)
    with Fetcher(network, on_wait=work.check) as fetcher, failures.translated(url):
        response = _sent(url, settings, fetcher)
        try:
            if response.status_code == 400:  # PubMed's answer to an impossible id
                raise NotFound(f"PubMed has no article {pubmed_id}")
            if response.status_code > 400:
                raise failures.of_status(
                    response.status_code,
                    url=url,
                    now=datetime.now(UTC),
                    retry_after=response.headers.get("Retry-After"),
                )
            blocks = http_client.capped(
                response.iter_bytes(), limit_bytes=ANSWER_LIMIT_BYTES, url=url
            )
            return b"".join(blocks)
        finally:
            response.close()


def _sent(url: str, settings: VideoSettings, fetcher: Fetcher) -> httpx2.Response:
    """Send the key in the body: URLs appear in logs, here and on the way."""
    if settings.pubmed_api_key is None:
        return fetcher.send(url)
    form = urlencode({"api_key": settings.pubmed_api_key.get_secret_value()})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return fetcher.send(url, method="POST", headers=headers, content=form.encode())


def _network(settings: FetchSettings, url: str) -> FetchSettings:
    """The operator configures PubMed's address, so it may be in a private network."""
    host = urlsplit(url).hostname or ""
    return settings.model_copy(update={"allowed_hosts": (*settings.allowed_hosts, host)})
