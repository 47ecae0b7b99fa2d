"""The program of `test_rebinding`: in a network of its own, names lead to two servers in turn.

`python -m tests.integration.fetch.rebinding ATTEMPTS` prints JSON: what each attempt got, and how
often the private server was asked.
"""

import fcntl
import http.server
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from app.errors import CeleriacError
from app.fetch.http_client import Fetcher
from app.settings import FetchSettings

PUBLIC, PRIVATE = "93.184.216.34", "127.0.0.1"
SIOCSIFADDR, SIOCSIFFLAGS = 0x8916, 0x8914
IFF_UP = 1


class Resolver(threading.Thread):
    """A DNS server whose answers alternate between the public and the private address, with a
    time to live of 0."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.answers = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((PRIVATE, 53))

    def run(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        if question[-4:-2] != b"\0\1":  # no address of another kind
            return query[:2] + b"\x81\x80" + struct.pack(">4H", 1, 0, 0, 0) + question
        address = PUBLIC if self.answers % 2 == 0 else PRIVATE
        self.answers += 1
        record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address)
        return query[:2] + b"\x81\x80" + struct.pack(">4H", 1, 1, 0, 0) + question + record


class Page(http.server.BaseHTTPRequestHandler):
    """Says at which address it was asked."""

    asked: list[str] = []  # noqa: RUF012  # one list for the program

    def do_GET(self) -> None:
        address = self.connection.getsockname()[0]
        self.asked.append(address)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(address.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


def set_up_network() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(PUBLIC))
        fcntl.ioctl(control, SIOCSIFADDR, address)
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {PRIVATE}\noptions timeout:5 attempts:2\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)


def attempt(number: int) -> str:
    url = f"http://rebind{number // 2}.example/"
    try:
        with Fetcher(FetchSettings()) as fetcher:
            return fetcher.read(url, limit_bytes=100).decode()
    except CeleriacError as error:
        return error.type


def main() -> None:
    set_up_network()
    resolver = Resolver()
    resolver.start()
    for address in (PUBLIC, PRIVATE):
        server = http.server.ThreadingHTTPServer((address, 80), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    outcomes = [attempt(number) for number in range(int(sys.argv[1]))]
    found = {"outcomes": outcomes, "asked": Page.asked, "answers": resolver.answers}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
