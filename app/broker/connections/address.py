"""Addresses of brokers, in every form of URL that kombu's Redis transport accepts.

`redis://user:password@host:port/db`, `rediss://…?ssl_cert_reqs=…&ssl_ca_certs=…`,
`sentinel://host:port;sentinel://host:port` with a master name, `redis+socket:///path?virtual_host=db`,
and a list of servers, `redis://one;redis://other`, of which the next is used when one fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from app.broker.connections import broker_url
from app.broker.connections.broker_url import SENTINEL, SOCKET, UrlParts
from app.errors import InvalidInput
from app.settings import BrokerSettings

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379

_CERTIFICATE_CHECKS = {
    "CERT_REQUIRED": "required",
    "CERT_OPTIONAL": "optional",
    "CERT_NONE": "none",
    "required": "required",
    "optional": "optional",
    "none": "none",
}
_TLS_TEXTS = ("ca_certs", "ca_path", "ca_data", "certfile", "keyfile", "password", "ciphers")
_TLS_OPTIONS = ("ssl_cert_reqs", "ssl_check_hostname", *(f"ssl_{name}" for name in _TLS_TEXTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to check the server's certificate, and which one to present. Paths are PEM files."""

    certificate_check: str = "required"
    """`required`, `optional` or `none`."""
    check_hostname: bool = True
    ca_certs: str | None = None
    """Trusted authorities (default: those of the system)."""
    ca_path: str | None = None
    """A folder of trusted authorities."""
    ca_data: str | None = None
    """Trusted authorities, as PEM text."""
    certfile: str | None = None
    keyfile: str | None = None
    password: str | None = field(default=None, repr=False)
    """Password of the key."""
    ciphers: str | None = None


UNCHECKED = Tls(certificate_check="none", check_hostname=False)
"""TLS without verification of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelEntry:
    """Options of Sentinels that a URL cannot hold: kombu's `master_name` and `sentinel_kwargs`."""

    master_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    has_tls: bool = False
    """Whether the Sentinels use TLS too. The URL's TLS options apply to them as well."""


NO_SENTINEL = SentinelEntry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentinels:
    """The Sentinels that know which server is the master of a set."""

    endpoints: tuple[Endpoint, ...]
    master_name: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A broker's address. Neither `str()` nor `repr()` shows a password."""

    place: Endpoint | Sentinels | str
    """A `str` is the path of a Unix socket."""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    alternates: "tuple[Address, ...]" = ()
    """Further servers, tried in this order when one does not answer."""

    def __str__(self) -> str:
        return " or ".join(_shown(each.place) for each in (self, *self.alternates))


def parse_address(url: str, *, sentinel: SentinelEntry = NO_SENTINEL) -> Address:
    """Parse a broker URL as Celery does. The arguments hold what Celery has in `transport_options`.

    Raises:
        InvalidInput: it is not the URL of a Redis broker. The message contains no password.
    """
    parts = list(accumulate(broker_url.split(url), _inheriting))
    first, schemes = parts[0], {each.scheme for each in parts}
    if SENTINEL in schemes and len(schemes) > 1:
        raise InvalidInput("a broker URL names either Sentinels or servers, not both")
    if SOCKET in schemes and len(parts) > 1:
        raise InvalidInput("a Unix socket is the only address of a broker URL")
    if first.scheme == SENTINEL:
        return _watched(parts, sentinel)
    found = [_address(each, tls=_tls(each, first)) for each in parts]
    if len({address.db for address in found}) > 1:
        raise InvalidInput("the servers of a broker URL have to name the same database")
    return replace(found[0], alternates=tuple(found[1:]))


def address_of(broker: BrokerSettings, *, master_name: str = "") -> Address:
    """The broker of this process. A `master_name` overrides the one in the settings.

    Raises:
        InvalidInput: as `parse_address`.
    """
    entry = sentinel_entry_of(broker)
    if master_name:
        entry = replace(entry, master_name=master_name)
    return parse_address(broker.broker_url.get_secret_value(), sentinel=entry)


def sentinel_entry_of(broker: BrokerSettings) -> SentinelEntry:
    """The settings for Sentinels."""
    password = broker.sentinel_password
    return SentinelEntry(
        master_name=broker.sentinel_master,
        username=broker.sentinel_username,
        password=None if password is None else password.get_secret_value(),
        has_tls=broker.sentinel_tls,
    )


def _inheriting(before: UrlParts, parts: UrlParts) -> UrlParts:
    """A server without port or database has those of the server before it, as in kombu."""
    return replace(parts, port=parts.port or before.port, path=parts.path or before.path)


def _watched(parts: Sequence[UrlParts], entry: SentinelEntry) -> Address:
    if not entry.master_name:
        raise InvalidInput("a sentinel:// broker needs the name of its master set")
    first = parts[0]
    tls = _tls(first, first)
    sentinels = Sentinels(
        endpoints=tuple(_endpoint(each, DEFAULT_SENTINEL_PORT) for each in parts),
        master_name=entry.master_name,
        username=entry.username,
        password=entry.password,
        tls=(tls if tls is not None else Tls()) if entry.has_tls else None,
    )
    return replace(_address(first, tls=tls), place=sentinels)


def _address(parts: UrlParts, *, tls: Tls | None) -> Address:
    is_socket = parts.scheme == SOCKET
    return Address(
        place=f"/{parts.path}" if is_socket else _endpoint(parts, DEFAULT_PORT),
        db=_database(parts.options.get("virtual_host") if is_socket else parts.path),
        username=parts.username,
        password=parts.password,
        tls=tls,
    )


def _endpoint(parts: UrlParts, default_port: int) -> Endpoint:
    return Endpoint(host=parts.host or "127.0.0.1", port=parts.port or default_port)


def _database(text: str | None) -> int:
    """The number of the database. A second slash is ignored, as in kombu."""
    digits = (text or "").removeprefix("/") or "0"
    try:
        found = int(digits)
    except ValueError:
        found = -1
    if found < 0:
        raise InvalidInput("the database of the broker URL is not a number")
    return found


def _tls(parts: UrlParts, first: UrlParts) -> Tls | None:
    """A URL without TLS options has those of the first; without any, kombu verifies nothing."""
    given = _tls_options(parts) or _tls_options(first)
    if not given:
        return UNCHECKED if parts.scheme == "rediss" else None
    check = _CERTIFICATE_CHECKS.get(given.get("ssl_cert_reqs", "required"))
    if check is None:
        raise InvalidInput("ssl_cert_reqs of the broker URL is required, optional or none")
    return Tls(
        certificate_check=check,
        check_hostname=check != "none" and given.get("ssl_check_hostname", "").lower() != "false",
        **{name: given.get(f"ssl_{name}") for name in _TLS_TEXTS},
    )


def _tls_options(parts: UrlParts) -> Mapping[str, str]:
    given = {name: value for name, value in parts.options.items() if name.startswith("ssl_")}
    if any(name not in _TLS_OPTIONS for name in given):
        raise InvalidInput(f"the TLS options of a broker URL are {', '.join(_TLS_OPTIONS)}")
    return given


def _shown(place: Endpoint | Sentinels | str) -> str:
    match place:
        case Sentinels(endpoints=endpoints, master_name=master):
            return f"{', '.join(map(str, endpoints))} (master {master})"
        case _:
            return str(place)
