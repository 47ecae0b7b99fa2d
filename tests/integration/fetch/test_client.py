"""The client against a real server: where it goes, how much it takes, when it stops."""

import http.server
import itertools
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import AddressRefused, Cancelled, LimitExceeded, NotFound, RetryableError
from app.fetch.addresses import Address
from app.fetch.http_client import Fetcher
from app.settings import FetchSettings
from tests.sites import pages, server
from tests.sites.server import Site

LIMIT_BYTES = 1_000_000


@pytest.fixture
def site() -> Iterator[Site]:
    with server.serve() as found:
        yield found


def settings(**values: object) -> FetchSettings:
    """The site can be reached as if it were public; no other address of this machine can."""
    return FetchSettings.model_validate({"allowed_networks": "127.0.0.1/32", **values})


def test_read_gives_the_body(site: Site) -> None:
    with Fetcher(settings()) as fetcher:
        content = fetcher.read(f"{site.url}/text", limit_bytes=LIMIT_BYTES)
    assert content == pages.TEXT.encode()


@pytest.mark.parametrize("path", ["/endless/file", "/bomb", "/media/tone.wav"])
def test_a_body_over_the_limit_is_not_read_to_its_end(site: Site, path: str) -> None:
    with Fetcher(settings()) as fetcher, pytest.raises(LimitExceeded):
        fetcher.read(site.url + path, limit_bytes=LIMIT_BYTES)


def test_an_answer_that_drips_is_not_waited_for(site: Site) -> None:
    began_at = time.monotonic()
    with (
        Fetcher(settings(timeout_s=1)) as fetcher,
        pytest.raises(RetryableError, match="slower than 1024 bytes a second"),
    ):
        fetcher.read(f"{site.url}/drip", limit_bytes=LIMIT_BYTES)
    assert time.monotonic() - began_at < 30  # it would drip for ever


def test_an_answer_may_be_as_slow_as_the_setting_says(site: Site) -> None:
    with (
        Fetcher(settings(timeout_s=1, min_bytes_per_s=2)) as fetcher,
        fetcher.open(f"{site.url}/drip") as answer,
    ):
        assert len(list(itertools.islice(answer.iter_raw(), 9))) == 9  # of two windows


def test_a_slow_reader_is_no_fault_of_the_server(site: Site) -> None:
    with Fetcher(settings(timeout_s=1)) as fetcher, fetcher.open(f"{site.url}/text") as answer:
        time.sleep(1.5)
        assert answer.read().decode() == pages.TEXT


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/",
        "http://127.1.1.1/",
        "http://localhost.localdomain.127.0.0.2.nip.invalid/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0x7f000002/",
        "http://017700000002/",
        "file:///etc/hostname",
        "gopher://127.0.0.1/",
    ],
)
def test_no_other_address_is_reached(url: str) -> None:
    with Fetcher(settings()) as fetcher, pytest.raises((AddressRefused, NotFound)):
        fetcher.read(url, limit_bytes=LIMIT_BYTES)


def test_every_redirect_is_judged(site: Site) -> None:
    url = f"{site.url}/redirect?to=http://127.0.0.2:{site.port}/text"
    with Fetcher(settings()) as fetcher, pytest.raises(AddressRefused):
        fetcher.read(url, limit_bytes=LIMIT_BYTES)
    assert [seen.path for seen in site.seen] == [f"/redirect?to=http://127.0.0.2:{site.port}/text"]


def test_a_name_is_looked_up_once_and_its_judged_address_is_used(site: Site) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[Address]:
        """Answers with the allowed address first, with another one from then on."""
        asked.append(host)
        return [IPv4Address("127.0.0.1" if len(asked) == 1 else "127.0.0.2")]

    url = f"http://media.example:{site.port}/text"
    with Fetcher(settings(), resolve=rebinding) as fetcher:
        content = fetcher.read(url, limit_bytes=LIMIT_BYTES)
    assert (content, asked) == (pages.TEXT.encode(), ["media.example"])
    assert site.seen[0].headers["host"] == f"media.example:{site.port}"


def test_of_mixed_addresses_only_the_allowed_are_used(site: Site) -> None:
    def mixed(host: str, port: int) -> Sequence[Address]:
        return [ip_address("127.0.0.2"), ip_address("10.0.0.1"), ip_address("127.0.0.1")]

    with Fetcher(settings(), resolve=mixed) as fetcher:
        content = fetcher.read(f"http://mixed.example:{site.port}/text", limit_bytes=LIMIT_BYTES)
    assert content == pages.TEXT.encode()


@pytest.mark.parametrize("first", ["127.0.0.2", "255.255.255.255"], ids=["refuses", "unreachable"])
def test_the_next_address_is_tried_when_one_does_not_answer(site: Site, first: str) -> None:
    def two(host: str, port: int) -> Sequence[Address]:
        return [ip_address(first), ip_address("127.0.0.1")]

    both = settings(allowed_networks="127.0.0.0/8,255.255.255.255/32")
    with Fetcher(both, resolve=two) as fetcher:
        content = fetcher.read(f"http://two.example:{site.port}/text", limit_bytes=LIMIT_BYTES)
    assert content == pages.TEXT.encode()


def test_a_port_where_nobody_listens_is_tried_again_later(site: Site) -> None:
    with Fetcher(settings()) as fetcher, pytest.raises(RetryableError, match="connection failed"):
        fetcher.read("http://127.0.0.1:1/", limit_bytes=LIMIT_BYTES)


def test_what_on_wait_raises_ends_the_wait(site: Site) -> None:
    begun = time.monotonic()

    def cancel() -> None:
        raise Cancelled("enough")

    with Fetcher(settings(timeout_s=60), on_wait=cancel) as fetcher, pytest.raises(Cancelled):
        fetcher.read(f"{site.url}/silence", limit_bytes=LIMIT_BYTES)
    assert time.monotonic() - begun < 30  # half of the time-out


def test_a_proxy_gets_names_that_only_it_knows(site: Site) -> None:
    behind = settings(proxy_url=site.url)
    with Fetcher(behind) as fetcher:
        content = fetcher.read("http://nowhere.invalid/text", limit_bytes=LIMIT_BYTES)
    assert content == pages.TEXT.encode()
    assert [seen.path for seen in site.seen] == ["http://nowhere.invalid/text"]


def test_a_proxy_is_not_asked_for_private_addresses(site: Site) -> None:
    behind = settings(proxy_url=site.url)
    with Fetcher(behind) as fetcher, pytest.raises(AddressRefused):
        fetcher.read("http://10.0.0.1/text", limit_bytes=LIMIT_BYTES)
    assert site.seen == []


class _Secret(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Say something."""
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"secret")

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def tls_server(folder: Path, *, name: str) -> Iterator[tuple[int, Path]]:
    """A server with a certificate of its own making for `name`: its port, and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_file)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Secret)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield int(httpd.server_address[1]), pem
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def here(host: str, port: int) -> Sequence[Address]:
    return [IPv4Address("127.0.0.1")]


def test_tls_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(tmp_path, name="media.example") as (port, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Fetcher(settings(), resolve=here) as fetcher:
            content = fetcher.read(f"https://media.example:{port}/", limit_bytes=LIMIT_BYTES)
            with pytest.raises(RetryableError, match=r"(?i)certificate"):
                fetcher.read(f"https://other.example:{port}/", limit_bytes=LIMIT_BYTES)
    assert content == b"secret"
