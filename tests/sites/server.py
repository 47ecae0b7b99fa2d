"""The site's HTTP server: threads, ranges, a record of every request."""

import functools
import gzip
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.sites import media, pages

BLOCK_BYTES = 8192

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".png": "image/png",
    ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".key": "application/octet-stream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def range_start(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("range", ""))
        return int(found[1]) if found else None


@dataclass(kw_only=True)
class Site:
    """A running site. `url` has no slash at its end."""

    url: str
    port: int
    folder: Path
    """Its media files."""
    ended: threading.Event
    seen: list[Seen] = field(default_factory=list)

    def requests(self, path: str) -> list[Seen]:
        """Every request for the path so far, query left out."""
        return [seen for seen in list(self.seen) if urlsplit(seen.path).path == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests, not news."""


@contextmanager
def serve(*, host: str = "127.0.0.1", port: int = 0) -> Iterator[Site]:
    """Serve the site on a free port until the block ends."""
    folder = media.folder()
    server = _Server((host, port), _Handler)
    bound = int(server.server_address[1])
    server.site = Site(
        url=f"http://{host}:{bound}", port=bound, folder=folder, ended=threading.Event()
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="test-site")
    thread.start()
    try:
        yield server.site
    finally:
        server.site.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    seen: Seen

    def do_GET(self) -> None:
        """Answer, and note the request."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen = Seen(method=self.command, path=self.path, headers=headers)
        self.server.site.seen.append(self.seen)
        path = urlsplit(self.path).path
        for pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                answer(self, *found.groups())
                return
        self.say(404, "nothing here")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded, not printed."""

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def folder(self) -> Path:
        return self.server.site.folder

    def say(
        self,
        status: int,
        body: str | bytes,
        *,
        media_type: str = "text/html; charset=utf-8",
        **headers: str,
    ) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.begin(status, media_type=media_type, length=len(content), **headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def begin(self, status: int, *, media_type: str, length: int | None, **headers: str) -> None:
        """Send the head. Without a length the body ends with the connection."""
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def give_up(self) -> None:
        """Break the connection off as it is."""
        self.close_connection = True

    def pour(self, blocks: Iterator[bytes], *, bytes_per_s: float | None = None) -> None:
        """Write the blocks, slowly if asked, until the site ends."""
        for block in blocks:
            if self.server.site.ended.is_set():
                break
            self.wfile.write(block)
            if bytes_per_s is not None:
                self.server.site.ended.wait(len(block) / bytes_per_s)


def _index(request: _Handler) -> None:
    request.say(200, pages.INDEX)


def _video(request: _Handler) -> None:
    request.say(200, pages.VIDEO)


def _video_of(request: _Handler) -> None:
    asked = request.query
    told = {name: asked[name] for name in ("cover", "captions", "title") if name in asked}
    request.say(200, pages.video_of(asked["source"], **told))


def _two_videos(request: _Handler) -> None:
    request.say(200, pages.TWO_VIDEOS)


def _feed(request: _Handler) -> None:
    """A playlist of so many pages, of which the first ones are broken in one way or another."""
    count, broken = int(request.query["count"]), int(request.query.get("broken", "0"))
    kind, name = request.query.get("kind", "talk"), request.query.get("name", "n")
    whole = [f"/{kind}/{name}-{number}" for number in range(broken, count)]
    links = [*BROKEN[:broken], *whole]
    host = f"http://{request.headers['Host']}"
    title = f"Feed of {request.query.get('q', 'talks')}"
    body = pages.feed(title, [host + link for link in links])
    request.say(200, body, media_type="application/rss+xml")


def _talk(request: _Handler, name: str) -> None:
    request.say(200, pages.video_of(f"/media/clip.mp4?{name}", captions="/captions/en.vtt"))


def _late_talk(request: _Handler, name: str) -> None:
    """A page for whose captions one has to wait."""
    page = pages.video_of(f"/media/clip.mp4?{name}", captions="/silence/captions.vtt")
    request.say(200, page)


def _drip(request: _Handler) -> None:
    """A page that never ends, a byte at a time, always in time."""
    request.begin(200, media_type="text/html", length=None)
    request.pour(itertools.repeat(b"<"), bytes_per_s=4)
    request.give_up()


def _welcome(request: _Handler) -> None:
    """A page that knows its visitors again."""
    page = pages.video_of("/members/clip.mp4")
    request.say(200, page, Set_Cookie="visitor=known; Path=/")


def _members(request: _Handler, name: str) -> None:
    if "visitor=known" in request.seen.headers.get("cookie", ""):
        _send_file(request, name)
    else:
        request.say(403, "members only")


def _text(request: _Handler) -> None:
    request.say(200, pages.TEXT)


def _captions(request: _Handler, language: str) -> None:
    request.say(200, pages.CAPTIONS[language], media_type="text/vtt")


def _playlist(content: str) -> Callable[[_Handler], None]:
    def answer(request: _Handler) -> None:
        request.say(200, content, media_type=MEDIA_TYPES[".m3u8"])

    return answer


def _file(request: _Handler, name: str) -> None:
    _send_file(request, name)


def _slow_file(request: _Handler, bytes_per_s: str, name: str) -> None:
    _send_file(request, name, bytes_per_s=float(bytes_per_s))


def _cut_file(request: _Handler, limit_bytes: str, name: str) -> None:
    """The first request breaks off after some bytes; one that asks for a range gets it."""
    _send_file(request, name, cut_bytes=int(limit_bytes))


def _whole_file(request: _Handler, name: str) -> None:
    """A server that knows no ranges."""
    _send_file(request, name, knows_ranges=False)


def _unmeasured_file(request: _Handler, name: str) -> None:
    """No length: the end of the connection is the end of the file."""
    content = (request.folder / name).read_bytes()
    request.begin(200, media_type=MEDIA_TYPES[Path(name).suffix], length=None)
    request.pour(_blocks(content))
    request.give_up()


def _send_file(
    request: _Handler,
    name: str,
    *,
    bytes_per_s: float | None = None,
    cut_bytes: int | None = None,
    knows_ranges: bool = True,
) -> None:
    path = request.folder / name
    if not path.is_file():
        request.say(404, "no such file")
        return
    content = path.read_bytes()
    start = request.seen.range_start if knows_ranges else None
    media_type = MEDIA_TYPES[path.suffix]
    if start is None:
        request.begin(200, media_type=media_type, length=len(content))
    else:
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.begin(206, media_type=media_type, length=len(content) - start, Content_Range=span)
    if request.command == "HEAD":
        return
    body = content[start or 0 :]
    if cut_bytes is not None and start is None:
        body = body[:cut_bytes]
        request.give_up()
    request.pour(_blocks(body), bytes_per_s=bytes_per_s)


def _blocks(content: bytes) -> Iterator[bytes]:
    return (content[start : start + BLOCK_BYTES] for start in range(0, len(content), BLOCK_BYTES))


def _status(request: _Handler, code: str) -> None:
    wait = request.query.get("retry_after")
    headers = {} if wait is None else {"Retry_After": wait}
    request.say(int(code), f"this is a {code}", **headers)


def _redirect(request: _Handler) -> None:
    request.say(302, "", Location=request.query["to"])


def _loop(request: _Handler) -> None:
    request.say(302, "", Location="/loop")


def _endless(request: _Handler, kind: str) -> None:
    media_type, block = ENDLESS[kind]
    request.begin(200, media_type=media_type, length=None)
    request.pour(itertools.repeat(block))
    request.give_up()


def _bomb(request: _Handler) -> None:
    """A page of 256 MiB that comes as a quarter of one."""
    request.say(200, _zeros(), media_type="text/html", Content_Encoding="gzip")


@functools.cache
def _zeros() -> bytes:
    return gzip.compress(b"<html>" + bytes(256 * 1024 * 1024), compresslevel=1)


def _silence(request: _Handler) -> None:
    request.server.site.ended.wait()
    request.give_up()


ENDLESS = {
    "page": ("text/html", b"<p>and so on</p>" * 512),
    "file": ("video/mp4", bytes(BLOCK_BYTES)),
    "long.vtt": ("text/vtt", b"00:00.000 --> 00:01.000\nand so on\n\n" * 200),
}
"""Media type and what comes again and again."""

BROKEN = (
    "/status/404",
    "/text",
    "/status/403",
    "/loop",
    "/status/410",
    "/hls/live.m3u8",
    "/video-of?source=/media/mute.mp4",
)
"""Pages that no video will ever come from."""

Answer = Callable[..., None]

ROUTES: tuple[tuple[str, Answer], ...] = (
    (r"/", _index),
    (r"/video", _video),
    (r"/video-of", _video_of),
    (r"/two-videos", _two_videos),
    (r"/feed", _feed),
    (r"/talk/([\w-]+)", _talk),
    (r"/late-talk/([\w-]+)", _late_talk),
    (r"/drip", _drip),
    (r"/welcome", _welcome),
    (r"/members/([\w.]+)", _members),
    (r"/text", _text),
    (r"/captions/(en|de)\.vtt", _captions),
    (r"/hls/master\.m3u8", _playlist(pages.MASTER_PLAYLIST)),
    (r"/hls/split\.m3u8", _playlist(pages.SPLIT_PLAYLIST)),
    (r"/hls/protected\.m3u8", _playlist(pages.PROTECTED_PLAYLIST)),
    (r"/hls/live\.m3u8", _playlist(pages.LIVE_PLAYLIST)),
    (r"/(?:media|hls)/([\w.]+)", _file),
    (r"/slow/(\d+)/([\w.]+)", _slow_file),
    (r"/cut/(\d+)/([\w.]+)", _cut_file),
    (r"/whole/([\w.]+)", _whole_file),
    (r"/unmeasured/([\w.]+)", _unmeasured_file),
    (r"/status/(\d{3})", _status),
    (r"/redirect", _redirect),
    (r"/loop", _loop),
    (r"/endless/(page|file|long\.vtt)", _endless),
    (r"/bomb", _bomb),
    (r"/silence(?:/[\w.]+)?", _silence),
)
"""Path pattern and what answers it, the groups as arguments. The first match wins."""
