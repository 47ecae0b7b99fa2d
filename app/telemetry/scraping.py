"""Serves metrics over HTTP from a thread, beside whatever else a process does."""

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
    """A collector whose families a function builds anew for each scrape."""

    def __init__(self, collect: Callable[[], "Iterable[Metric]"]) -> None:
        self._collect = collect

    def collect(self) -> "Iterable[Metric]":
        return self._collect()

    def describe(self) -> "Iterable[Metric]":
        """Nothing: a registry would ask for the metrics otherwise when the collector joins it."""
        return ()


@contextmanager
def serving(registry: CollectorRegistry, *, host: str, port: int) -> Iterator[int]:
    """Serve `/metrics` and `/healthz` (200 while this process lives) until the block ends.

    Gives the port that it listens on, which matters where `port` is 0.

    Raises:
        InvalidInput: the port is taken, or the host is none of this machine.
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
    """A thread a scrape, so that a slow one does not keep a probe waiting."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """Writes no line for each scrape."""

    def log_message(self, format: str, *args: object) -> None:  # the name is the library's
        del format, args
