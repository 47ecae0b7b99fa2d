"""The parts of a broker URL, parsed by kombu's rules, and messages for a URL that breaks them.

No message quotes the URL: a malformed one does not show where the password begins and ends.
The exceptions of `urllib` do quote it, so ours have none of them as cause or context.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from kombu.utils import url as kombu_url

from app.errors import InvalidInput

SOCKET = "redis+socket"
SENTINEL = "sentinel"
SCHEMES = ("redis", "rediss", SENTINEL, SOCKET)

_UNIX_SCHEMES = ("unix", "socket")
_DELIMITERS = "/?#[]"
"""Characters that end the authority of a URL, or enclose an IPv6 address in it."""
_UNUSED_OPTIONS = ("insist", "connect_timeout", "login_method", "heartbeat")
"""Options that kombu accepts in a URL and its Redis transport ignores."""
_VALUE_OF_ANY_TEXT = re.compile(r"ssl_\w+=")
_BARE_HOST = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlParts:
    """The parts of one URL; `None` where a part is missing."""

    scheme: str
    host: str | None
    port: int | None
    username: str | None
    password: str | None = field(default=None, repr=False)
    path: str | None
    """Without the leading slash."""
    options: Mapping[str, str] = field(repr=False)


def split(text: str) -> tuple[UrlParts, ...]:
    """Split a list of URLs at its semicolons, and each URL into its parts.

    Raises:
        InvalidInput: kombu refuses a URL too, or would misread it.
    """
    first, *others = text.split(";")
    if any("://" not in other and "@" in other for other in others):
        raise InvalidInput(_to_encode([";"]))
    parts = [_split(first)]
    for other in others:
        if "://" in other:
            parts.append(_split(other))
        elif other.strip():
            parts.append(_bare(other, first=parts[0]))
    return tuple(parts)


def is_readable(text: str) -> bool:
    """Whether kombu, and so Celery, can parse every URL of a list, whatever its scheme."""
    return all(_kombu_parts(url) is not None for url in text.split(";"))


def _split(url: str) -> UrlParts:
    scheme, separator, rest = url.partition("://")
    if not separator or _lowered(scheme) not in SCHEMES:
        raise InvalidInput(_unknown_scheme(scheme.strip().lower()))
    found = _kombu_parts(url)
    if found is None:
        raise InvalidInput(_mistake_in(rest))
    parts = UrlParts(
        scheme=_lowered(scheme),
        host=found.hostname,
        port=found.port,
        username=found.username,
        password=found.password,
        path=found.path,
        options=found.query,
    )
    _check_password(rest, parts)
    _check_place(parts)
    _check_options(parts)
    return parts


def _lowered(scheme: str) -> str:
    """The scheme as kombu compares it: case matters for `redis+socket` only."""
    return scheme if "+" in scheme else scheme.lower()


def _kombu_parts(url: str) -> kombu_url.urlparts | None:
    """Raises nothing: see the module's docstring."""
    try:
        return kombu_url.url_to_parts(url)
    except ValueError:
        return None


def _bare(host: str, *, first: UrlParts) -> UrlParts:
    """A host without a scheme in a list: kombu takes everything else from the first URL."""
    if first.scheme not in ("redis", "rediss") or not _BARE_HOST.fullmatch(host):
        raise InvalidInput("each address of a broker URL begins with a scheme, as the first does")
    return UrlParts(
        scheme=first.scheme,
        host=host,
        port=first.port,
        username=first.username,
        password=first.password,
        path=first.path,
        options=first.options,
    )


def _unknown_scheme(scheme: str) -> str:
    if scheme in _UNIX_SCHEMES:
        return (
            f"Celery does not know {scheme}://; a Unix socket is "
            "redis+socket:///run/redis.sock?virtual_host=0"
        )
    return "a broker URL begins with redis://, rediss://, sentinel:// or redis+socket://"


def _mistake_in(rest: str) -> str:
    """What is wrong with a text after `://` that `urllib` refuses."""
    culprits = _culprits(rest)
    if culprits:
        return _to_encode(culprits)
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if "[" in host or "]" in host or host.count(":") > 1:
        return "an IPv6 address of a broker URL stands in brackets: redis://[::1]:6379/0"
    return "the port of the broker URL is not a number from 0 to 65535"


def _culprits(rest: str) -> list[str]:
    """Unencoded delimiters in user and password, each once. Both end at the last `@`."""
    entry, at, _ = rest.rpartition("@")
    if not at:
        return []
    return sorted({each for each in entry if each in _DELIMITERS or _is_folded(each)})


def _is_folded(character: str) -> bool:
    """Whether Unicode normalises the character to a delimiter, such as U+2100 to `a/c`."""
    folded = unicodedata.normalize("NFKC", character)
    return folded != character and any(each in f"{_DELIMITERS}@:" for each in folded)


def _to_encode(characters: Sequence[str]) -> str:
    named = ", ".join(f"{each!r} as {quote(each, safe='')}" for each in characters)
    return f"the user or password of the broker URL has to be percent-encoded: write {named}"


def _check_password(rest: str, parts: UrlParts) -> None:
    """Refuse a URL that parses, but with a part of the password in its path, query or fragment."""
    before_fragment, _, fragment = rest.partition("#")
    before_query, _, query = before_fragment.partition("?")
    path = before_query.partition("/")[2]
    elsewhere = [
        fragment,
        *(item for item in query.split("&") if not _VALUE_OF_ANY_TEXT.match(item)),
        *([path] if parts.scheme != SOCKET else []),  # a file may be called anything
    ]
    if any("@" in each for each in elsewhere):
        raise InvalidInput(_to_encode(_culprits(rest)))


def _check_place(parts: UrlParts) -> None:
    if parts.scheme == SOCKET:
        if not parts.path:
            raise InvalidInput(
                "a Unix socket is named with three slashes: redis+socket:///run/redis.sock"
            )
    elif parts.host is not None and any(each.isspace() for each in parts.host):
        raise InvalidInput("the host of the broker URL holds a space")


def _check_options(parts: UrlParts) -> None:
    """Refuse options that kombu refuses; the message says what to write instead."""
    known = _socket_options if parts.scheme == SOCKET else _server_options
    for name, value in parts.options.items():
        problem = known(name, value)
        if problem:
            raise InvalidInput(problem)


def _socket_options(name: str, _value: str) -> str:
    # redis-py's own URLs hold `db`, user and password in the query. kombu ignores them.
    if name in ("virtual_host", "db", "username", "password", "host", "port", "client_name"):
        return ""
    if name.startswith("ssl"):
        return "a Unix socket has no TLS: leave out ssl_* in the broker URL"
    return _unknown_option(name)


def _server_options(name: str, value: str) -> str:
    if name.startswith("ssl_") or (name in _UNUSED_OPTIONS and _fits(name, value)):
        return ""
    if name in ("db", "virtual_host"):
        return "the database of the broker URL follows the slash: redis://host:6379/1"
    if name == "ssl":
        return "a broker URL with TLS is rediss://host, without ?ssl"
    if name == "master_name":
        return "the name of the master set is no part of a sentinel:// URL, but given beside it"
    return _unknown_option(name)


def _fits(name: str, value: str) -> bool:
    return name != "heartbeat" or value.replace(".", "", 1).isdecimal()


def _unknown_option(name: str) -> str:
    shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "an option"
    return f"kombu takes no {shown} in a broker URL: it belongs in broker_transport_options"
