"""A receiver of webhooks that checks every signature by the reference library."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "bm90IGEgc2VjcmV0IGJ1dCBhIHRlc3QgdmFsdWUu"
OTHER_SECRET = "whsec_" + "YW5vdGhlciB0ZXN0IHZhbHVlIHRoYXQgaXMgbmV3Lg=="

Json = Any  # a JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One webhook as it came."""

    path: str
    id: str
    timestamp: int
    signatures: tuple[str, ...]
    body: Json
    verified_by: frozenset[str]
    """Those of the receiver's secrets that the signature fits."""


@dataclass(kw_only=True)
class Receiver:
    """A running receiver. Every path answers 204, but for those with answers of their own: a
    status with headers each, the last one stays. `/silent` answers when the receiver ends,
    `/dripping` sends headers until then."""

    url: str
    answers: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def will_answer(self, path: str, *answers: int | tuple[int, dict[str, str]]) -> str:
        """The URL of the path, which answers so."""
        self.answers[path] = [one if isinstance(one, tuple) else (one, {}) for one in answers]
        return self.url + path

    def at(self, path: str) -> list[Hook]:
        return [hook for hook in list(self.hooks) if hook.path == path]

    def answer(self, path: str) -> tuple[int, dict[str, str]]:
        left = self.answers.get(path, [(204, {})])
        return left.pop(0) if len(left) > 1 else left[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Note the webhook, and answer."""
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.hooks.append(_hook(self.path, dict(self.headers.items()), body))
        if self.path == "/silent":
            receiver.ended.wait()
        if self.path == "/dripping":
            self._drip()
            return
        status, headers = receiver.answer(self.path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        """An answer that never ends, and is never silent for long."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.receiver.ended.wait(0.1):
            self.wfile.write(b"X: y\r\n")

    def do_GET(self) -> None:
        """Nobody fetches from here: one that follows a redirect would."""
        self.server.receiver.hooks.append(_hook(self.path, {}, b"null"))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Webhooks are recorded, not printed."""


def _hook(path: str, headers: dict[str, str], body: bytes) -> Hook:
    fields = {name.lower(): value for name, value in headers.items()}
    return Hook(
        path=path,
        id=fields.get("webhook-id", ""),
        timestamp=int(fields.get("webhook-timestamp", "0")),
        signatures=tuple(fields.get("webhook-signature", "").split()),
        body=json.loads(body),
        verified_by=frozenset(
            secret for secret in (SECRET, OTHER_SECRET) if _fits(secret, headers, body)
        ),
    )


def _fits(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


@contextmanager
def receive() -> Iterator[Receiver]:
    """Receive on a free port of 127.0.0.1 until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.receiver = Receiver(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="test-receiver")
    thread.start()
    try:
        yield server.receiver
    finally:
        server.receiver.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
