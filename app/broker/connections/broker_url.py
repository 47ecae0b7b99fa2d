"""The parts of a broker URL, read by kombu's own rules, and what to say of a URL that breaks them.

No message quotes the URL: where a password begins and ends is what a wrong URL gets wrong. The
exceptions of `urllib` do quote it, so none of them is the cause or the context of ours.
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
"""What ends the authority of a URL, or stands for an IPv6 address in it."""
_UNUSED_OPTIONS = ("insist", "connect_timeout", "login_method", "heartbeat")
"""Options that kombu takes out of a URL and its Redis transport does not use."""
_VALUE_OF_ANY_TEXT = re.compile(r"ssl_\w+=")
_BARE_HOST = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlParts:
    """One URL. `None` is "not given"."""

    scheme: str
    host: str | None
    port: int | None
    username: str | None
    password: str | None = field(default=None, repr=False)
    path: str | None
    """Without its first slash."""
    options: Mapping[str, str] = field(repr=False)


def split(text: str) -> tuple[UrlParts, ...]:
    """The URLs of a list that is separated by semicolons, in order.

    Raises:
        InvalidInput: kombu refuses it too, or would read something else than what is meant.
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
    """Whether kombu, and so Celery, can take each URL of a list apart, whatever it is one of."""
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
    """kombu finds the transport of `redis+socket` by its very spelling, the others by theirs in
    small letters."""
    return scheme if "+" in scheme else scheme.lower()


def _kombu_parts(url: str) -> kombu_url.urlparts | None:
    """Raises nothing: see the module's docstring."""
    try:
        return kombu_url.url_to_parts(url)
    except ValueError:
        return None


def _bare(host: str, *, first: UrlParts) -> UrlParts:
    """A mere host in a list: kombu takes everything else from the first URL."""
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
    """What is wrong with the text after `://`, which `urllib` refuses."""
    culprits = _culprits(rest)
    if culprits:
        return _to_encode(culprits)
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if "[" in host or "]" in host or host.count(":") > 1:
        return "an IPv6 address of a broker URL stands in brackets: redis://[::1]:6379/0"
    return "the port of the broker URL is not a number from 0 to 65535"


def _culprits(rest: str) -> list[str]:
    """Characters of the user and the password that end either, each once. Everything before the
    last `@` is meant to be part of them."""
    entry, at, _ = rest.rpartition("@")
    if not at:
        return []
    return sorted({each for each in entry if each in _DELIMITERS or _is_folded(each)})


def _is_folded(character: str) -> bool:
    """Whether Unicode has it stand for a delimiter, such as U+2100 for `a/c`."""
    folded = unicodedata.normalize("NFKC", character)
    return folded != character and any(each in f"{_DELIMITERS}@:" for each in folded)


def _to_encode(characters: Sequence[str]) -> str:
    named = ", ".join(f"{each!r} as {quote(each, safe='')}" for each in characters)
    return f"the user or password of the broker URL has to be percent-encoded: write {named}"


def _check_password(rest: str, parts: UrlParts) -> None:
    """Refuse a URL that can be read, but has a part of its password in another place."""
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
    """What kombu refuses, by the way out."""
    known = _socket_options if parts.scheme == SOCKET else _server_options
    for name, value in parts.options.items():
        problem = known(name, value)
        if problem:
            raise InvalidInput(problem)


def _socket_options(name: str, _value: str) -> str:
    # `db` and the entry are in the query of redis-py's own URLs. kombu passes over them.
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
