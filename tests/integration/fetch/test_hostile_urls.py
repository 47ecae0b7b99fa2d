"""URLs that would lead into a private network, each in its own disguise. No connection is made."""

import socket
from collections.abc import Iterator

import pytest

from app.errors import CeleriacError, RetryableError
from app.fetch.http_client import Fetcher
from app.settings import FetchSettings

HOSTILE = (
    # this machine, by number
    *("http://127.0.0.1/", "http://127.0.0.1:22/", "http://127.1/", "http://127.0.1/"),
    *("http://0/", "http://0.0.0.0/", "http://2130706433/", "http://0x7f000001/"),
    *("http://0x7f.0.0.1/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/"),
    *("http://127.255.255.254/", "http://0127.0.0.1/", "http://127.0.0.1./"),
    # by name
    *("http://localhost/", "http://localhost./", "http://LOCALHOST/", "http://ip6-localhost/"),
    # private, shared, link-local, benchmark, multicast and reserved networks
    *("http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.1/"),
    *("http://192.168.0.1/", "http://192.168.1.1:8080/", "http://100.64.0.1/"),
    *("http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://198.18.0.1/"),
    *("http://192.0.0.192/", "http://192.0.2.1/", "http://224.0.0.1/", "http://240.0.0.1/"),
    *(
        "http://255.255.255.255/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://168.63.129.16/",
    ),
    # IPv6, and IPv4 in it
    *("http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/"),
    *("http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/"),
    *("http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/", "http://[fe80::1]/"),
    *(
        "http://[fe80::1%25lo]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
    ),
    *("http://[fec0::1]/", "http://[2001:db8::1]/", "http://[::ffff:169.254.169.254]/"),
    # in other digits and dots, and behind names and passwords
    *(
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://%31%32%37.0.0.1/",
    ),
    *("http://example.org@127.0.0.1/", "http://example.org:80@127.0.0.1/"),
    *("http://127.0.0.1#@example.org/", "http://127.0.0.1?@example.org/"),
    # other schemes, and what is no URL
    *(
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://127.0.0.1/",
        "dict://127.0.0.1/",
    ),
    *(
        "data:text/plain,x",
        "jar:http://127.0.0.1!/",
        "http:///127.0.0.1",
        "http://",
        "//127.0.0.1/",
    ),
    *("http://127.0.0.1:99999/", "http://127.0.0.1\\@example.org/", "http://\t127.0.0.1/"),
)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The addresses to which a connection was tried."""
    tried: list[object] = []

    class Watched(socket.socket):
        def connect_ex(self, address: object, /) -> int:
            tried.append(address)
            return super().connect_ex(address)  # type: ignore[arg-type]  # any

    monkeypatch.setattr("app.fetch.guarded_connection.socket.socket", Watched)
    yield tried
    assert tried == []


def test_there_are_sixty() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("url", HOSTILE)
def test_no_disguise_leads_to_a_private_address(url: str) -> None:
    with Fetcher(FetchSettings()) as fetcher, pytest.raises(CeleriacError) as raised:
        fetcher.read(url, limit_bytes=1000)
    assert not isinstance(raised.value, RetryableError), raised.value
