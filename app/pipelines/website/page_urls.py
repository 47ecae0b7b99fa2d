"""Addresses of pages: one form for each, whose site they are of, and which lead nowhere new."""

import posixpath
import re
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

MAX_LENGTH = 1_000
MAX_SEGMENTS = 16
MAX_REPEATS = 3
"""Of one part of a path: `/a/b/a/b/a/b/` is what a wrong relative link makes, for ever."""

FEW_PARAMETERS = 2
MANY_VALUES = 500
MANY_COMBINED = 50

_PORTS = {"http": 80, "https": 443}

_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_ga|"
    r"phpsessid|jsessionid|aspsessionid\w*|sid|sessionid|session_id",
    re.IGNORECASE,
)
"""Parameters that name the visitor and not the page."""

_SESSION = re.compile(r";jsessionid=[^/?;]*", re.IGNORECASE)

_FILE = re.compile(
    r"\.(?:7z|avi|bmp|bz2|css|csv|deb|dmg|docx?|eot|epub|exe|flac|gif|gz|ico|iso|jpe?g|js|json|m4a|"
    r"mkv|mov|mp[34]|mpeg|ods|odt|ogg|pdf|png|pptx?|rar|rpm|rss|svg|tar|tgz|tiff?|ttf|txt|wav|"
    r"webm|webp|woff2?|xlsx?|xml|xz|zip)$",
    re.IGNORECASE,
)

_SAFE = "/%:@!$&'()*+,;=~-._"

_ESCAPED = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def normalized(url: str, *, base: str = "") -> str | None:
    """One form for all ways to write a page's address; None for what is none, or is too long.

    >>> normalized("HTTP://Example.org:80/a/../b?utm_source=x&z=1&a=2#part")
    'http://example.org/b?a=2&z=1'
    >>> normalized("../c d", base="http://example.org/a/b/")
    'http://example.org/a/c%20d'
    >>> normalized("mailto:me@example.org")
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host:
        return None
    name = f"[{host}]" if ":" in host else host
    place = name if port in (None, _PORTS[parts.scheme]) else f"{name}:{port}"
    whole = urlunsplit((parts.scheme, place, _path(parts), _query(parts), ""))
    return whole if len(whole) <= MAX_LENGTH else None


def _path(parts: SplitResult) -> str:
    path = quote(_ESCAPED.sub(_unescaped, _SESSION.sub("", parts.path)), safe=_SAFE)
    # normpath keeps two slashes at the begin, and drops the one at the end.
    flat = "/" + posixpath.normpath("/" + path).lstrip("/")
    is_folder = path.endswith(("/", "/.", "/..")) and flat != "/"
    return flat + "/" if is_folder else flat


def _unescaped(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return chr(byte) if byte in _UNRESERVED else found[0].upper()


def _query(parts: SplitResult) -> str:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return parts.query
    return urlencode(sorted(pair for pair in pairs if not _TRACKING.fullmatch(pair[0])))


def site_of(url: str) -> str:
    """Whose site a page is of: `www.` or not, http or https, it is the same.

    >>> site_of("https://www.example.org/a") == site_of("http://example.org/")
    True
    """
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return (parts.hostname or "").removeprefix("www.") + port


def host_of(url: str) -> str:
    """Whom requests for a page go to."""
    return urlsplit(url).netloc


def root_of(url: str) -> str:
    """The first page of the host.

    >>> root_of("http://example.org/a/b?c")
    'http://example.org/'
    """
    return urljoin(url, "/")


def family_of(url: str) -> tuple[str, int | None]:
    """What an address shares with others that differ in their query alone, and how many of those
    are worth a look: filters and orders that can be combined make endlessly many of one page.

    >>> family_of("http://a/list?id=7"), family_of("http://a/list?by=x&page=2&up=1")
    (('http://a/list?id', 500), ('http://a/list?*', 50))
    >>> family_of("http://a/b")
    ('http://a/b', None)
    """
    place, _, query = url.partition("?")
    if not query:
        return place, None
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if len(names) > FEW_PARAMETERS:
        return f"{place}?*", MANY_COMBINED
    return f"{place}?{'&'.join(names)}", MANY_VALUES


def is_file(url: str) -> bool:
    """Whether the address says that there is no page."""
    return _FILE.search(urlsplit(url).path) is not None


def leads_nowhere(url: str) -> bool:
    """Whether the address looks like one of endlessly many for the same.

    >>> [leads_nowhere(f"http://a/{path}") for path in ("x/y/x/z", "x/y/x/y/x/y/x/y", "1/" * 20)]
    [False, True, True]
    """
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    if len(segments) > MAX_SEGMENTS:
        return True
    return any(segments.count(segment) > MAX_REPEATS for segment in set(segments))
