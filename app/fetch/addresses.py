"""Which addresses jobs may reach: those of the public internet, and no others.

The tables follow the IANA special-purpose address registries (RFC 6890 and its updates). They are
ours, and not `ipaddress.is_global`, because the verdict must not depend on the Python version, and
because addresses that carry another address inside (mapped, 6to4, NAT64, Teredo) are refused whole.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

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
"""Every refused network, for the firewalls that stand behind this check."""


def refusal(address: Address) -> str | None:
    """What kind of address it is, when jobs may not reach it; None when they may."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _REFUSED_V4 if address in network), None)
    known = next((kind for network, kind in _REFUSED_V6 if address in network), None)
    if known is None and address not in _GLOBAL_UNICAST_V6:
        return "reserved"
    return known


def is_public(address: Address) -> bool:
    """Whether jobs may reach the address when private ones are not allowed."""
    return refusal(address) is None
