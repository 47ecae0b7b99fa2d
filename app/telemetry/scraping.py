"""Serves metrics over HTTP from a thread of any process."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.registry import Collector

from app.errors import InvalidInput

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client.core import Metric


class Collected(Collector):
    """A collector whose families are built by a function at each scrape."""

    def __init__(self, collect: Callable[[], "Iterable[Metric]"]) -> None:
        self._collect = collect

    def collect(self) -> "Iterable[Metric]":
        return self._collect()

    def describe(self) -> "Iterable[Metric]":
        """Nothing, so that a registry does not collect when the collector is registered."""
        return ()


@contextmanager
def serving(registry: CollectorRegistry, *, host: str, port: int) -> Iterator[int]:
    """Serve `/metrics` and `/healthz` (200 while this process lives) until the block ends.

    Yields the port that it listens on, which the system chooses if `port` is 0.

    Raises:
        InvalidInput: the port is taken, or the host is not an address of this machine.
    """
    with _server(registry, host, port) as server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _server(registry: CollectorRegistry, host: str, port: int) -> WSGIServer:
    try:
        return make_server(
            host, port, _application(registry), server_class=_Server, handler_class=_Silent
        )
    except OSError as error:
        raise InvalidInput(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _application(registry: CollectorRegistry) -> "WSGIApplication":
    metrics = make_wsgi_app(registry)

    def application(
        environment: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        match environment["PATH_INFO"]:
            case "/metrics":
                answer: Iterable[bytes] = metrics(environment, start_response)
                return answer
            case "/healthz":
                return _text(start_response, HTTPStatus.OK, "alive\n")
        return _text(start_response, HTTPStatus.NOT_FOUND, "metrics are at /metrics\n")

    return application


def _text(start_response: "StartResponse", status: HTTPStatus, text: str) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain")])
    return [text.encode()]


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per scrape, so that a slow one does not delay a probe."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """Does not log scrapes."""

    def log_message(self, format: str, *args: object) -> None:  # the name is the library's
        del format, args
