"""Removes the packet counters that kube-proxy makes in the kernel; no installed tool can."""

import contextlib
import socket
import struct

# From the kernel's linux/netfilter/nfnetlink.h and nfnetlink_acct.h.
_NETLINK_NETFILTER = 12
_DELETE_COUNTER = 7 << 8 | 3
_REQUEST_AND_ACKNOWLEDGE = 0x1 | 0x4
_NAME = 1

_COUNTERS = ("ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts")


def remove() -> None:
    """Remove them, once no firewall rule counts by them; one that is not there is no error."""
    # A kernel without netfilter counters has none of ours.
    with contextlib.suppress(OSError), _netfilter() as kernel:
        for name in _COUNTERS:
            kernel.send(_removal(name))
            kernel.recv(4096)


def _netfilter() -> socket.socket:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    kernel.settimeout(5)
    return kernel


def _removal(name: str) -> bytes:
    """A netlink message: its header, netfilter's header, one attribute padded to 4 bytes."""
    value = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(value), _NAME) + value + b"\0" * (-len(value) % 4)
    body = struct.pack("=BBH", 0, 0, 0) + attribute
    length = 16 + len(body)
    return struct.pack("=LHHLL", length, _DELETE_COUNTER, _REQUEST_AND_ACKNOWLEDGE, 1, 0) + body
