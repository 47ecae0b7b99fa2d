"""Broker URLs, read by us and by kombu itself: alike, or refused with what to do about it."""

import asyncio
import traceback
from dataclasses import dataclass
from typing import Any

import kombu.connection
import pytest
import redis

from app.broker.connections import address, redis_clients
from app.broker.connections.address import SentinelEntry
from app.broker.connections.connection import Connection
from app.errors import InvalidInput

open_kombu: Any = kombu.connection.Connection  # has no types
open_pool: Any = redis.ConnectionPool  # the same
SECRET = "s3cr3t"
KOMBU_REFUSES = (ValueError, TypeError, KeyError, AttributeError)
MASTER = SentinelEntry(master_name="main")
SOCKET = "redis+socket:///run/redis.sock"
FILES = "ssl_ca_certs=/ca%20s.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a connection of redis-py would do."""

    place: object
    db: int
    username: str | None
    password: str | None
    tls: tuple[object, ...] | None


def entry_of(connection: Any) -> Entry:  # of redis or of its asyncio, which have no common class
    context = getattr(connection, "ssl_context", connection)
    return Entry(
        place=getattr(connection, "path", None) or (connection.host, connection.port),
        db=connection.db,
        username=connection.username,
        password=connection.password,
        tls=(
            *(context.cert_reqs, context.check_hostname, context.ca_certs),
            *(context.ca_path, context.ca_data, context.certfile, context.keyfile),
            getattr(context, "certificate_password", getattr(context, "password", None)),
            getattr(context, "ssl_ciphers", getattr(context, "ciphers", None)),
        )
        if hasattr(context, "cert_reqs")
        else None,
    )


def kombus(url: str) -> list[Entry]:
    """What kombu makes of a URL, and of its alternates in turn."""
    connection = open_kombu(url)
    found = []
    for _ in connection.alt or [url]:
        channel = object.__new__(connection.transport.Channel)
        channel.connection = connection.transport
        parameters = channel._connparams()
        found.append(entry_of(open_pool(**parameters).make_connection()))
        connection.maybe_switch_next()
    return found


def ours(url: str) -> list[Entry]:
    async def look() -> list[Entry]:
        parsed = address.parse_address(url)
        found = []
        for each in (parsed, *parsed.alternates):
            async with Connection(each).asking() as client:
                pool: Any = client.connection_pool  # has no types
                found.append(entry_of(pool.make_connection()))
        return found

    return asyncio.run(look())


READ_ALIKE = [
    "redis://",
    "redis:///",
    "redis:///3",
    "redis://h",
    "redis://h/",
    "redis://h/3",
    "redis://h//3",
    "redis://h/%33",
    "redis://h/ 1",
    "redis://h/1_0",
    "redis://h/0#fragment",
    "redis://h/?",
    "redis://h?virtual_host=",
    "redis://h?connect_timeout=3&heartbeat=2.5&insist=1",
    "REDIS://H/1",
    "redis://h\n",
    "redis://%68",
    "redis://a,b",
    "redis://[::1]",
    "redis://[::1]:7/1",
    "redis://h:",
    "redis://h:0",
    "redis://h:7000",
    "redis://h:65535",
    "redis://@h",
    "redis://:@h",
    "redis://user@h",
    "redis://user:@h",
    "redis://:pw@h",
    "redis://user:pw@h:7000/3",
    "redis://us%40er:p%40%2F%3A%23%3F%5B%5D%3B%25w@h",
    "redis://:p@w@h",
    "redis://:p:w@h",
    "redis://:p+w@h",
    "redis://:p%w@h",
    "redis://:p%zzw@h",
    "redis://:p w@h",
    "redis://:pä$&=,!*'()w@h",
    "redis://:p\\w@h",
    "redis://:p\nw@h",
    "rediss://",
    "rediss://h",
    "rediss://:pw@h:7000/2",
    "rediss://h?ssl_cert_reqs=",
    "rediss://h?ssl_cert_reqs=none",
    "rediss://h?ssl_cert_reqs=CERT_NONE",
    "rediss://h?ssl_cert_reqs=optional",
    "rediss://h?ssl_cert_reqs=CERT_OPTIONAL",
    "rediss://h?ssl_cert_reqs=required",
    "rediss://h?ssl_cert_reqs=CERT_REQUIRED",
    "rediss://h?ssl_check_hostname=false",
    "rediss://h?ssl_check_hostname=False",
    "rediss://h?ssl_check_hostname=0",
    "rediss://h?ssl_cert_reqs=optional&ssl_check_hostname=true",
    "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=true",
    f"rediss://h/1?{FILES}",
    "rediss://h?ssl_ca_path=/ca&ssl_ca_data=PEM&ssl_password=p%40w&ssl_ciphers=HIGH",
    "rediss://h?ssl_ca_certs=/home/me@work/ca.pem",
    "redis://h?ssl_cert_reqs=none",
    "redis://h?ssl_ca_certs=/ca.pem",
    SOCKET,
    f"{SOCKET}?virtual_host=2",
    f"{SOCKET}?virtual_host=/2",
    f"{SOCKET}?db=3",
    f"{SOCKET}?db=3&virtual_host=1",
    f"{SOCKET}?password=other",
    "redis+socket://:pw@/run/redis.sock",
    "redis+socket://user:pw@/run/redis.sock?virtual_host=1",
    "redis+socket://h/run/redis.sock",
    "redis+socket:///run/my%20redis%2fs.sock",
    "redis+socket:///home/me@work/redis.sock",
    "redis://a;redis://b",
    "redis://a:7000/1;redis://b",
    "redis://user:pw@a:7000/1;redis://b:7001;redis://c/1",
    "redis://user:pw@a;redis://other:word@b",
    "redis://:pw@a/2;b",
    "redis://a;rediss://b",
    "rediss://a;redis://b",
    "rediss://a?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem;rediss://b",
]
"""Texts that kombu takes, and that lead somewhere."""


@pytest.mark.parametrize("url", READ_ALIKE)
def test_a_url_is_read_as_kombu_reads_it(url: str) -> None:
    assert ours(url) == kombus(url)


@pytest.mark.parametrize("url", [url for url in READ_ALIKE if ";" not in url])
def test_clients_of_jobs_are_told_what_kombu_reads(url: str) -> None:
    pool: Any = redis_clients.open_client(address.parse_address(url)).connection_pool

    assert [entry_of(pool.make_connection())] == kombus(url)


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://",
        "sentinel://a/2",
        "sentinel://a:1;sentinel://b:2/3",
        "sentinel://user:p%40w@a;sentinel://b;sentinel://c:7000",
        "sentinel://a;",
        "sentinel://a?ssl_cert_reqs=none",
        f"sentinel://a?{FILES};sentinel://b",
    ],
)
def test_sentinels_are_read_as_kombu_reads_them(url: str) -> None:
    connection = open_kombu(url)
    channel = object.__new__(connection.transport.Channel)
    channel.connection, channel.master_name = connection.transport, "main"
    pool = channel._get_pool()
    want = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    made = pool.connection_class(**pool.connection_kwargs)
    pool.sentinel_manager.close()

    async def look() -> tuple[Any, list[Any]]:
        async with Connection(address.parse_address(url, sentinel=MASTER)).asking() as client:
            found: Any = client.connection_pool
            sentinels = found.sentinel_manager.sentinels
            return found.make_connection(), [each.connection_pool for each in sentinels]

    found, sentinels = asyncio.run(look())
    assert entry_of(found) == entry_of(made)
    asked = [each.connection_kwargs for each in sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [
        (each["host"] or "127.0.0.1", each["port"]) for each in want
    ]


REFUSED_ALIKE = [
    ("", "begins with"),
    ("h", "begins with"),
    ("h:6379", "begins with"),
    ("//h", "begins with"),
    ("redis:/h", "begins with"),
    ("http://:s3cr3t@h", "begins with"),
    ("amqp://:s3cr3t@h", "begins with"),
    ("valkey://:s3cr3t@h", "begins with"),
    (" redis://:s3cr3t@h/0", "begins with"),
    (";redis://:s3cr3t@h", "begins with"),
    ("REDIS+SOCKET:///x", "begins with"),
    ("unix://:s3cr3t@/x.sock?db=2", "redis+socket:///run"),
    ("socket:///x.sock", "redis+socket:///run"),
    ("redis+socket://x.sock", "three slashes"),
    ("redis+socket://", "three slashes"),
    (f"{SOCKET}?ssl_cert_reqs=none", "no TLS"),
    (f"{SOCKET}?timeout=3", "takes no timeout"),
    (f"{SOCKET}?virtual_host=main", "database"),
    ("redis://:s3cr3t@h:port", "port"),
    ("redis://h:70000", "port"),
    ("redis://h:-1", "port"),
    ("redis://h: 1", "port"),
    ("redis://:s3cr3t", "port"),
    ("redis://::1/1", "in brackets"),
    ("redis://[::1", "in brackets"),
    ("redis://[h]", "in brackets"),
    ("redis://:[s3cr3t]@h/0", "'[' as %5B, ']' as %5D"),
    ("redis://:s3[cr3t@h/0", "'[' as %5B"),
    ("redis://:s3/cr3t@h/0", "'/' as %2F"),
    ("redis://:s3#cr3t@h/0", "'#' as %23"),
    ("redis://:s3?cr3t@h/0", "'?' as %3F"),
    ("redis://:s3;cr3t@h/0", "';' as %3B"),
    ("redis://:s3℀cr3t@h/0", "'℀' as %E2%84%80"),
    ("redis://user:12/s3cr3t@h/0", "'/' as %2F"),
    ("redis://h/main", "database"),
    ("redis://h/3/", "database"),
    ("redis://h/3/4", "database"),
    ("redis://:s3cr3t@h?virtual_host=5", "follows the slash"),
    ("redis://:s3cr3t@h?db=4", "follows the slash"),
    ("redis://h?ssl=true", "rediss://"),
    ("redis://h?visibility_timeout=60", "visibility_timeout"),
    ("redis://h?password=s3cr3t", "broker_transport_options"),
    ("redis://h?heartbeat=often", "broker_transport_options"),
    ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
    ("rediss://h?ssl_password_of_key=s3cr3t", "TLS options"),
]
"""What kombu refuses, or takes and then cannot make a connection of."""

REFUSED_BY_US = [
    ("redis+rediss://:s3cr3t@h", "begins with", "kombu goes to the port 6379 of this machine"),
    ("redis://:#s3cr3t@h/0", "'#' as %23", "the same"),
    ("redis://:?s3cr3t@h/0", r"'\?' as %3F", "the same"),
    ("redis://h/-1", "database", "no server has it"),
    ("redis://h ", "space", "no host has it"),
    ("rediss://h?ssl_min_version=3", "TLS options", "kombu fails when it connects"),
    ("redis://a/1;redis://b/2", "the same database", "channels are named for one"),
    ("redis://a;sentinel://b", "either Sentinels or servers", "two kinds of transport"),
    ("sentinel://a;b:1", "begins with a scheme", "kombu passes over it"),
    (f"{SOCKET};redis://b", "only address", "kombu finds no way back to the socket"),
]
"""What kombu takes by mistake, and why nobody can mean it."""


@pytest.mark.parametrize(("url", "complaint"), REFUSED_ALIKE)
def test_what_kombu_refuses_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(KOMBU_REFUSES):
        kombus(url)
    with pytest.raises(InvalidInput) as caught:
        address.parse_address(url, sentinel=MASTER)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(("url", "complaint", "_why"), REFUSED_BY_US)
def test_what_cannot_be_meant_is_refused(url: str, complaint: str, _why: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        address.parse_address(url, sentinel=MASTER)


@pytest.mark.parametrize("url", [each[0] for each in (*REFUSED_ALIKE, *REFUSED_BY_US)])
def test_no_refusal_tells_a_password(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        address.parse_address(url, sentinel=MASTER)

    told = "".join(traceback.format_exception(caught.value))
    assert (SECRET in told, "cr3t" in told) == (False, False)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
