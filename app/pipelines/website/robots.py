"""What a site asks of robots (RFC 9309)."""

from collections.abc import Iterator

from protego import Protego

from app.errors import NotFound, PermanentError
from app.pipelines.website import page_urls
from app.pipelines.website.site_client import SiteClient

AGENT = "celeriac"

LIMIT_BYTES = 512 * 1024
"""RFC 9309 asks for 500 KiB at least. What is behind is not read."""

MAX_STARS = 2
"""Of one rule. A match takes the length of the address to the power of its stars, and the worker
waits for it: what a rule has behind its second star counts as "anything"."""

MAX_STARRED = 500

NOBODY_ASKS = ""


class Robots:
    """The rules for us."""

    def __init__(self, text: str) -> None:
        self._rules = Protego.parse(tamed(text.removeprefix("\ufeff")))

    def allows(self, url: str) -> bool:
        return bool(self._rules.can_fetch(url, AGENT))

    @property
    def delay_s(self) -> float:
        """How long to wait between two requests at least."""
        asked = self._rules.crawl_delay(AGENT)
        rate = self._rules.request_rate(AGENT)
        paced = rate.seconds / rate.requests if rate is not None and rate.requests else 0.0
        return max(float(asked or 0.0), paced, 0.0)

    @property
    def sitemaps(self) -> tuple[str, ...]:
        return tuple(self._rules.sitemaps)


def read(url: str, client: SiteClient) -> Robots:
    """The rules of the host that the page is of. Without a robots.txt there are none.

    Raises RetryableError when it cannot be had just now: then nothing may be fetched.
    """
    own = page_urls.root_of(url) + "robots.txt"
    try:
        with client.opened(own) as answer:
            return Robots(_head(answer.iter_bytes()).decode("utf-8-sig", "replace"))
    except (NotFound, PermanentError):
        return Robots(NOBODY_ASKS)


def _head(blocks: Iterator[bytes]) -> bytes:
    head = b""
    for block in blocks:
        head += block[: LIMIT_BYTES - len(head)]
        if len(head) >= LIMIT_BYTES:
            break
    return head


def tamed(text: str) -> str:
    """The rules with no more stars than can be matched in little time.

    >>> tamed("Disallow: /a*b*c*d")
    'Disallow: /a*b*'
    >>> tamed("Allow: /a*b*c*d")
    ''
    """
    starred = 0
    lines = []
    for line in text.replace("\0", "").splitlines():
        starred += "*" in line
        if "*" not in line:
            lines.append(line)
        elif starred <= MAX_STARRED:
            lines.append(_tamed(line))
    return "\n".join(lines)


def _tamed(line: str) -> str:
    name, _, pattern = line.partition(":")
    pieces = pattern.split("*")
    if len(pieces) <= MAX_STARS + 1:
        return line
    if name.strip().lower() == "allow":
        return ""
    return f"{name}:{'*'.join(pieces[:MAX_STARS])}*"
