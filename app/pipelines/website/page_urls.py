"""Addresses of pages: as they are requested, one form to compare them by, their site, and those
that lead nowhere new."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import httpx2

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
    r"phpsessid|jsessionid|aspsessionid\w*",
    re.IGNORECASE,
)
"""Parameters that name the visitor and not the page."""

_MAYBE_SESSION = re.compile(r"sid|sessionid|session_id|session", re.IGNORECASE)
_TOKEN = re.compile(r"(?=.*\d)(?=.*[a-z])[\w-]{16,}", re.IGNORECASE)
"""Parameters that are a session where their value is a token. `sid=7` may be a story."""

_SESSION = re.compile(r";jsessionid=[^/?;]*", re.IGNORECASE)

_FILE = re.compile(
    r"\.(7z|avi|bmp|bz2|css|csv|deb|dmg|docx?|eot|epub|exe|flac|gif|gz|ico|iso|jpe?g|js|json|m4a|"
    r"mkv|mov|mp[34]|mpeg|ods|odt|ogg|pdf|png|pptx?|rar|rpm|rss|svg|tar|tgz|tiff?|ttf|txt|wav|"
    r"webm|webp|woff2?|xlsx?|xml|xz|zip)$",
    re.IGNORECASE,
)

MAX_REFRESH_S = 10.0
"""A page that shows itself for longer is one; many news pages reload themselves."""

_REFRESH = re.compile(
    r"\s*(\d+(?:\.\d*)?|\.\d+)\s*[;,\s]\s*url\s*=\s*(.+)", re.IGNORECASE | re.DOTALL
)

_SAFE = "/%:@!$&'()*+,;=~-._"

_ESCAPED = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def absolute(url: str, *, base: str = "") -> str | None:
    """The address to request: complete and in ASCII, otherwise as it was linked. None for what is
    not the address of a page, or too long.

    >>> absolute("../a b?z=1&utm_source=x#part", base="http://Bücher.example/c/d")
    'http://xn--bcher-kva.example/a%20b?z=1&utm_source=x'
    >>> absolute("mailto:me@example.org")
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        place = _place(parts)
    except (ValueError, httpx2.InvalidURL):
        return None
    if place is None:
        return None
    path = quote(parts.path or "/", safe=_SAFE)
    query = quote(parts.query, safe=_SAFE + "?[]{}|^`")
    whole = urlunsplit((parts.scheme, place, path, query, ""))
    return whole if len(whole) <= MAX_LENGTH else None


def normalized(url: str, *, base: str = "") -> str | None:
    """One form for all ways to write a page's address, to compare pages by. None for what is not
    the address of a page, or too long.

    >>> normalized("HTTP://Example.org:80/a/../b?utm_source=x&z=1&a=2#part")
    'http://example.org/b?a=2&z=1'
    >>> normalized("../c d", base="http://example.org/a/b/")
    'http://example.org/a/c%20d'
    >>> normalized("mailto:me@example.org")
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        place = _place(parts)
    except (ValueError, httpx2.InvalidURL):
        return None
    if place is None:
        return None
    whole = urlunsplit((parts.scheme, place, _path(parts), _query(parts), ""))
    return whole if len(whole) <= MAX_LENGTH else None


def _place(parts: SplitResult) -> str | None:
    """Host and port; None where the address is not of the web."""
    host, port = parts.hostname, parts.port
    if parts.scheme not in _PORTS or not host:
        return None
    if not host.isascii():
        host = httpx2.URL(f"{parts.scheme}://{host}/").raw_host.decode("ascii")
    name = f"[{host}]" if ":" in host else host
    return name if port in (None, _PORTS[parts.scheme]) else f"{name}:{port}"


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
    return urlencode(sorted(pair for pair in pairs if not _names_visitor(*pair)))


def _names_visitor(name: str, value: str) -> bool:
    """
    >>> [_names_visitor("sid", value) for value in ("7", "8f14e45fceea167a5a36dedd4bea2543")]
    [False, True]
    """
    if _MAYBE_SESSION.fullmatch(name):
        return _TOKEN.fullmatch(value) is not None
    return _TRACKING.fullmatch(name) is not None


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
    are requested: filters and orders that can be combined make endlessly many of one page.

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


def suffix_of(url: str) -> str | None:
    """The suffix of an address that looks like a file other than a page. What the server answers
    decides: `/report.pdf` may be a page about a report.

    >>> suffix_of("http://a/b/c.PDF?d"), suffix_of("http://a/b.html")
    ('pdf', None)
    """
    found = _FILE.search(urlsplit(url).path)
    return None if found is None else found[1].lower()


def refresh_target(value: str, *, base: str) -> str | None:
    """Where a `Refresh` header, or a `meta` element like it, sends the reader at once; None where
    it does not, or only after a while.

    >>> refresh_target("0; URL='../new'", base="http://a/b/c")
    'http://a/new'
    >>> refresh_target("300", base="http://a/b")
    """
    found = _REFRESH.match(value)
    if found is None or float(found[1]) > MAX_REFRESH_S:
        return None
    return absolute(found[2].strip("'\" "), base=base)


def robots_directives(values: Iterable[str], *, agent: str) -> Iterator[str]:
    """What `X-Robots-Tag` headers ask of us: `noindex`, `nofollow`.

    >>> sorted(robots_directives(["noindex, other: nofollow", "celeriac: none"], agent="celeriac"))
    ['noindex', 'none']
    """
    for value in values:
        named: str | None = None
        for part in value.lower().split(","):
            name, colon, directive = part.rpartition(":")
            named = name.strip() if colon else named
            if named in (None, agent):
                yield directive.strip()


def leads_nowhere(url: str) -> bool:
    """Whether the address looks like one of endlessly many for the same.

    >>> [leads_nowhere(f"http://a/{path}") for path in ("x/y/x/z", "x/y/x/y/x/y/x/y", "1/" * 20)]
    [False, True, True]
    """
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    if len(segments) > MAX_SEGMENTS:
        return True
    return any(segments.count(segment) > MAX_REPEATS for segment in set(segments))
