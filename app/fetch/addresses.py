"""Decides which addresses jobs may reach: by default only those of the public internet.

The tables follow the IANA special-purpose address registries (RFC 6890 and its updates). They are
ours, and not `ipaddress.is_global`, because the decision must not depend on the Python version, and
because addresses that embed another address (mapped, 6to4, NAT64, Teredo) are refused altogether.
"""

import socket
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from app.errors import AddressRefused
from app.fetch import failures

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[Address]]
"""Host and port to addresses; raises `socket.gaierror`."""

_REFUSED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud platform"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignment"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_REFUSED_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/23", "protocol assignment"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)

_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")

REFUSED: tuple[IPv4Network | IPv6Network, ...] = (
    *(network for network, _ in _REFUSED_V4),
    *(network for network, _ in _REFUSED_V6),
)
"""Every refused network, for the network policies that back this check."""


def refusal(address: Address) -> str | None:
    """The kind of an address that jobs may not reach; `None` if they may reach it."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _REFUSED_V4 if address in network), None)
    known = next((kind for network, kind in _REFUSED_V6 if address in network), None)
    if known is None and address not in _GLOBAL_UNICAST_V6:
        return "reserved"
    return known


def is_public(address: Address) -> bool:
    """Whether jobs may reach the address when private ones are not allowed."""
    return refusal(address) is None


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host by the system's resolver, each once, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _is_address(host: str) -> bool:
    """Whether the host is written as an address, of which a refusal tells nothing new."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Decides where connections may go: public addresses, allowed networks and allowed hosts."""

    def __init__(
        self,
        *,
        allow_private: bool,
        allowed_networks: Sequence[Network] = (),
        allowed_hosts: Collection[str] = (),
        resolve: Resolve,
    ) -> None:
        self._allow_private = allow_private
        self._allowed_networks = allowed_networks
        self._allowed_hosts = frozenset(name.lower() for name in allowed_hosts)
        self._resolve = resolve

    def allowed(self, host: str, port: int) -> list[Address]:
        """The addresses of the host that may be reached, at least one.

        Raises AddressRefused when there are only others or the name does not exist, RetryableError
        when it could not be looked up.
        """
        try:
            found = self._resolve(host, port)
        except socket.gaierror as error:
            raise failures.of_name(error, host=host) from error
        except UnicodeError as error:  # a label of a name that is too long, or empty
            raise failures.of_name(socket.gaierror(socket.EAI_NONAME, ""), host=host) from error
        is_trusted = host.lower() in self._allowed_hosts
        good = [address for address in found if is_trusted or self._is_allowed(address)]
        if not good:
            kinds = ", ".join(sorted({refusal(address) or "" for address in found}))
            if _is_address(host):
                raise AddressRefused(
                    f"jobs may not reach {host}: its address is {kinds} ({failures.HINT})"
                )
            raise failures.host_refused(host, detail=f"its address is {kinds or 'unknown'}")
        return good

    def _is_allowed(self, address: Address) -> bool:
        if self._allow_private or is_public(address):
            return True
        return any(address in network for network in self._allowed_networks)
