"""TLS in front of a server that has none: certificates made here, and a proxy that ends TLS."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Files in PEM; it is its own authority, and stands for 127.0.0.1."""

    certfile: Path
    keyfile: Path


def issue(folder: Path, name: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    place = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([place]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(certfile=folder / f"{name}.crt", keyfile=folder / f"{name}.key")
    found.certfile.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    found.keyfile.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


@contextmanager
def proxy(certificate: Certificate, *, to_port: int) -> Iterator[int]:
    """A port of 127.0.0.1 that speaks TLS and passes the plain text on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=_accept, args=(server, context, to_port), daemon=True)
        accepting.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        accepting.join(timeout=5)


def _accept(server: socket.socket, context: ssl.SSLContext, to_port: int) -> None:
    with suppress(OSError):  # the server was closed
        while True:
            accepted, _ = server.accept()
            threading.Thread(target=_serve, args=(accepted, context, to_port), daemon=True).start()


def _serve(accepted: socket.socket, context: ssl.SSLContext, to_port: int) -> None:
    with accepted, suppress(OSError):  # either side has hung up, or does not trust the other
        inside = socket.create_connection(("127.0.0.1", to_port))
        with inside, context.wrap_socket(accepted, server_side=True) as outside:
            back = threading.Thread(target=_pump, args=(inside, outside), daemon=True)
            back.start()
            _pump(outside, inside)
            back.join(timeout=5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
