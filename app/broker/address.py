"""Where a broker is and how to enter it, in every form of URL that kombu's Redis transport takes.

`redis://user:password@host:port/db`, `rediss://…?ssl_cert_reqs=…&ssl_ca_certs=…`,
`sentinel://host:port;sentinel://host:port` with a master name, `redis+socket:///path?virtual_host=db`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.errors import InvalidInput

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379

_TCP = ("redis", "rediss")
_SOCKET = ("redis+socket", "socket", "unix")
_SENTINEL = ("sentinel",)

_CERTIFICATE_CHECKS = {
    "CERT_REQUIRED": "required",
    "CERT_OPTIONAL": "optional",
    "CERT_NONE": "none",
    "required": "required",
    "optional": "optional",
    "none": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the server's certificate is checked, and ours shown. Paths are PEM files."""

    certificate_check: str = "required"
    """`required`, `optional` or `none`."""
    check_hostname: bool = True
    ca_certs: str | None = None
    """Trusted authorities; those of the system when not given."""
    certfile: str | None = None
    keyfile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentinels:
    """Who is asked which server is the master of a set."""

    endpoints: tuple[Endpoint, ...]
    master_name: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A broker's address. `str()` of it, and its `repr`, never show a password."""

    place: Endpoint | Sentinels | str
    """A `str` is the path of a Unix socket."""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        match self.place:
            case Sentinels(endpoints=endpoints, master_name=master):
                return f"{', '.join(map(str, endpoints))} (master {master})"
            case place:
                return str(place)


def parse_address(
    url: str,
    *,
    master_name: str = "",
    sentinel_username: str | None = None,
    sentinel_password: str | None = None,
) -> Address:
    """Read a broker URL as Celery does. What Celery keeps in `transport_options` are arguments.

    Raises:
        InvalidInput: the URL is not one of a Redis broker. The message holds no part of a password.
    """
    parts, *alternates = [
        _split(alternate) for alternate in url.split(";") if alternate.strip()
    ] or [_split(url)]
    options = dict(parse_qsl(parts.query))
    if parts.scheme in _SENTINEL:
        sentinels = Sentinels(
            endpoints=tuple(
                _endpoint(part, DEFAULT_SENTINEL_PORT) for part in (parts, *alternates)
            ),
            master_name=master_name or options.get("master_name", ""),
            username=sentinel_username,
            password=sentinel_password,
        )
        if not sentinels.master_name:
            raise InvalidInput("a sentinel:// broker needs the name of its master set")
        return _address(parts, options, place=sentinels, db=parts.path.strip("/"))
    if alternates:
        raise InvalidInput("only a sentinel:// broker may have several addresses")
    if parts.scheme in _SOCKET:
        db = options.get("virtual_host", options.get("db", ""))
        return _address(parts, options, place=unquote(parts.path), db=db.strip("/"))
    return _address(parts, options, place=_endpoint(parts, DEFAULT_PORT), db=parts.path.strip("/"))


def _split(url: str) -> SplitResult:
    parts = urlsplit(url.strip())
    if parts.scheme not in _TCP + _SOCKET + _SENTINEL:
        known = ", ".join(f"{scheme}://" for scheme in ("redis", "rediss", "sentinel"))
        raise InvalidInput(f"a broker URL begins with {known} or redis+socket://")
    return parts


def _endpoint(parts: SplitResult, default_port: int) -> Endpoint:
    try:
        port = parts.port
    except ValueError as exc:
        raise InvalidInput("the port of the broker URL is not a number below 65536") from exc
    return Endpoint(
        host=unquote(parts.hostname or "") or "127.0.0.1",
        port=port if port is not None else default_port,
    )


def _address(
    parts: SplitResult,
    options: Mapping[str, str],
    *,
    place: Endpoint | Sentinels | str,
    db: str,
) -> Address:
    if db and not db.isdecimal():
        raise InvalidInput(f"the database of the broker URL is not a number: {db!r}")
    return Address(
        place=place,
        db=int(db or 0),
        username=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        tls=_tls(parts, options),
    )


def _tls(parts: SplitResult, options: Mapping[str, str]) -> Tls | None:
    given = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if parts.scheme != "rediss" and not given:
        return None
    check = given.get("ssl_cert_reqs", "required")
    if check not in _CERTIFICATE_CHECKS:
        raise InvalidInput(f"ssl_cert_reqs is required, optional or none, not {check!r}")
    verdict = _CERTIFICATE_CHECKS[check]
    hostname = given.get("ssl_check_hostname", "true").lower() != "false"
    return Tls(
        certificate_check=verdict,
        check_hostname=hostname and verdict == "required",
        ca_certs=given.get("ssl_ca_certs"),
        certfile=given.get("ssl_certfile"),
        keyfile=given.get("ssl_keyfile"),
    )
