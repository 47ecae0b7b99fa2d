"""Every form of broker URL that Celery takes."""

import pytest

from app.broker.connections import address
from app.broker.connections.address import (
    UNCHECKED,
    Address,
    Endpoint,
    SentinelEntry,
    Sentinels,
    Tls,
)
from app.errors import InvalidInput

LOCAL = Endpoint(host="127.0.0.1", port=6379)
SENTINELS = (Endpoint(host="a", port=26379), Endpoint(host="b", port=5000))


@pytest.mark.parametrize(
    ("url", "want"),
    [
        pytest.param("redis://", Address(place=LOCAL), id="all defaults"),
        pytest.param(
            "redis://user:p%40ss@example.test:7000/3",
            Address(
                place=Endpoint(host="example.test", port=7000),
                db=3,
                username="user",
                password="p@ss",
            ),
            id="an ACL user, its password percent-encoded",
        ),
        pytest.param(
            "redis://:secret@[::1]:7000/",
            Address(place=Endpoint(host="::1", port=7000), password="secret"),
            id="IPv6, a password alone, no database after the slash",
        ),
        pytest.param(
            "rediss://127.0.0.1/1?ssl_cert_reqs=required",
            Address(place=LOCAL, db=1, tls=Tls()),
            id="TLS",
        ),
        pytest.param(
            "rediss://127.0.0.1/1",
            Address(place=LOCAL, db=1, tls=UNCHECKED),
            id="TLS without options, which kombu does not check",
        ),
        pytest.param(
            "rediss://127.0.0.1?ssl_cert_reqs=CERT_NONE",
            Address(place=LOCAL, tls=Tls(certificate_check="none", check_hostname=False)),
            id="TLS without a check, in kombu's spelling",
        ),
        pytest.param(
            "rediss://127.0.0.1/?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem"
            "&ssl_keyfile=/k.pem&ssl_check_hostname=false",
            Address(
                place=LOCAL,
                tls=Tls(
                    check_hostname=False, ca_certs="/ca.pem", certfile="/c.pem", keyfile="/k.pem"
                ),
            ),
            id="TLS with an authority and a client certificate",
        ),
        pytest.param(
            "redis+socket:///run/redis.sock?virtual_host=2",
            Address(place="/run/redis.sock", db=2),
            id="a Unix socket as Celery writes it",
        ),
        pytest.param(
            "redis://:secret@127.0.0.1/2;rediss://[::1]:7000",
            Address(
                place=LOCAL,
                db=2,
                password="secret",
                alternates=(Address(place=Endpoint(host="::1", port=7000), db=2, tls=UNCHECKED),),
            ),
            id="several servers",
        ),
    ],
)
def test_parse_address_reads(url: str, want: Address) -> None:
    assert address.parse_address(url) == want


def test_parse_address_reads_every_sentinel_and_the_entry_of_the_first() -> None:
    found = address.parse_address(
        "sentinel://user:secret@a/2;sentinel://b:5000",
        sentinel=SentinelEntry(master_name="main", username="guard", password="other"),
    )

    place = Sentinels(endpoints=SENTINELS, master_name="main", username="guard", password="other")
    assert found == Address(place=place, db=2, username="user", password="secret")


def test_tls_of_sentinels_is_checked_as_that_of_their_master() -> None:
    found = address.parse_address(
        "sentinel://a?ssl_ca_certs=/ca.pem", sentinel=SentinelEntry(master_name="m", has_tls=True)
    )

    assert isinstance(found.place, Sentinels)
    assert found.place.tls == found.tls == Tls(ca_certs="/ca.pem")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        pytest.param("amqp://127.0.0.1", "begins with", id="another kind of broker"),
        pytest.param("", "begins with", id="nothing"),
        pytest.param("redis://127.0.0.1:port", "port", id="a port that is no number"),
        pytest.param("redis://127.0.0.1:70000", "port", id="a port that does not exist"),
        pytest.param("redis://127.0.0.1/main", "database", id="a database that is no number"),
        pytest.param("sentinel://a", "master", id="a Sentinel and no master's name"),
        pytest.param("rediss://a?ssl_cert_reqs=maybe", "ssl_cert_reqs", id="an unknown check"),
    ],
)
def test_parse_address_refuses(url: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        address.parse_address(url)


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param(Address(place=LOCAL, password="secret"), "127.0.0.1:6379", id="a server"),
        pytest.param(Address(place=Endpoint(host="::1", port=1)), "[::1]:1", id="an IPv6 server"),
        pytest.param(Address(place="/run/redis.sock"), "/run/redis.sock", id="a socket"),
        pytest.param(
            Address(place=LOCAL, alternates=(Address(place=LOCAL, password="secret"),)),
            "127.0.0.1:6379 or 127.0.0.1:6379",
            id="several servers",
        ),
        pytest.param(
            Address(
                place=Sentinels(endpoints=SENTINELS, master_name="main", password="secret"),
                password="secret",
            ),
            "a:26379, b:5000 (master main)",
            id="sentinels",
        ),
    ],
)
def test_an_address_shows_where_it_leads_and_no_password(found: Address, want: str) -> None:
    assert str(found) == want
    assert "secret" not in repr(found)
