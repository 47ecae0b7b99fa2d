"""A web site with many pages, and corners that no crawler should get lost in."""

import gzip
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_DICTIONARY = (
    "harbour lantern meadow violin copper orchard glacier saddle pepper anchor chimney drizzle "
    "falcon granite hammock island juniper kettle ladder marble needle oyster paddle quarry"
)
WORDS = _DICTIONARY.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a path answers: a body, or blocks of one that never ends."""

    body: bytes | Iterator[bytes] = b""
    status: int = 200
    media_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    """Between two blocks."""


Route = Callable[[str], Answer | None]
"""Path with query to what it answers; None when the route is another's."""


@dataclass(kw_only=True)
class Web:
    """A running site. `url` has no slash at its end. What is in `routes` can be changed."""

    url: str
    routes: dict[str, Answer | Callable[[], Answer]]
    fallback: Route
    ended: threading.Event
    seen: list[tuple[str, Mapping[str, str], float]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Every path asked for, in order."""
        return [path for path, _, _ in self.seen]


@contextmanager
def serve(
    routes: Mapping[str, Answer | Callable[[], Answer]] | None = None,
    fallback: Route = lambda path: None,
) -> Iterator[Web]:
    """Serve these paths on a free port until the block ends; the fallback answers for others."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.web = Web(
        url=f"http://127.0.0.1:{server.server_address[1]}",
        routes=dict(routes or {}),
        fallback=fallback,
        ended=threading.Event(),
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="test-web")
    thread.start()
    try:
        yield server.web
    finally:
        server.web.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    web: Web

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests, not news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer, and note the request."""
        web = self.server.web
        headers = {name.lower(): value for name, value in self.headers.items()}
        web.seen.append((self.path, headers, time.monotonic()))
        found = web.routes.get(self.path) or web.fallback(self.path)
        answer = found() if callable(found) else found
        self._send(answer or Answer(status=404, body=b"nothing here"), headers)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded, not printed."""

    def _send(self, answer: Answer, headers: Mapping[str, str]) -> None:
        tag = answer.headers.get("ETag")
        if tag is not None and headers.get("if-none-match") == tag:
            answer = Answer(status=304, headers=answer.headers)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            return
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for block in answer.body:
            if self.server.web.ended.wait(answer.pause_s):
                return
            self.wfile.write(block)


def page(title: str, *paragraphs: str, links: list[str] | None = None, head: str = "") -> Answer:
    """An article between the furniture that pages have."""
    return Answer(body=html(title, *paragraphs, links=links, head=head).encode())


def html(title: str, *paragraphs: str, links: list[str] | None = None, head: str = "") -> str:
    texts = "".join(f"<p>{text}</p>" for text in paragraphs)
    targets = "".join(f'<li><a href="{link}">to {link}</a></li>' for link in links or ())
    return (
        f"<!DOCTYPE html><html lang='en'><head><title>{title}</title>{head}</head><body>"
        f"<nav class='menu'><ul>{targets}</ul></nav>"
        f"<main><article><h1>{title}</h1>{texts}</article></main>"
        "<footer>Imprint and cookies</footer></body></html>"
    )


def story(number: int) -> str:
    """Some sentences that no other number has."""
    digest = hashlib.sha256(str(number).encode()).digest()
    words = [WORDS[byte % len(WORDS)] for byte in digest]
    sentences = [" ".join(words[start : start + 8]).capitalize() + "." for start in range(0, 32, 8)]
    return f"This is story {number}. {' '.join(sentences)}"


def many(count: int, *, fan_out: int = 10) -> Route:
    """A site of so many stories, each of which leads to the next ones, the first one to a trap of
    endless links as well."""

    def answer(path: str) -> Answer | None:
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "" or kind == "story":
            number = int(rest or 0)
            if number >= count:
                return None
            following = range(number * fan_out + 1, min(count, number * fan_out + fan_out + 1))
            links = [f"/story/{other}" for other in following] + ["/trap/0"] * (number == 0)
            return page(f"Story {number}", story(number), story(number + count), links=links)
        if kind == "trap":
            number = int(rest)
            return page("A calendar", f"No events on day {number}.", links=[f"/trap/{number + 1}"])
        return None

    return answer


def endless(block: bytes = b"<p>and so on</p>" * 512) -> Iterator[bytes]:
    return itertools.repeat(block)


def bomb() -> Answer:
    """A page of 64 MiB that comes as a thousandth of it."""
    packed = gzip.compress(b"<html>" + bytes(64 * 1024 * 1024), compresslevel=1)
    return Answer(body=packed, headers={"Content-Encoding": "gzip"})
