"""A receiver of OpenTelemetry's protocol over HTTP: keeps every span that it gets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """One span as it came."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[tuple[str, str], ...]
    """Trace and span of each."""
    is_error: bool
    start_s: float
    end_s: float
    attributes: dict[str, Value]


@dataclass(kw_only=True)
class TraceReceiver:
    """A running receiver."""

    url: str
    refusals: int = 0
    """Requests that are answered with 503 first."""
    exports: list[ReceivedSpan] = field(default_factory=list)
    """Everything, in the order of arrival."""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Each span once, by its start."""
        once = {(span.trace_id, span.span_id): span for span in list(self.exports)}
        return sorted(once.values(), key=lambda span: span.start_s)

    def of_job(self, job_id: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.attributes["celeriac.job.id"] == job_id]


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:  # the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver = self.server.receiver
        if receiver.refusals > 0:
            receiver.refusals -= 1
            self.send_error(503)
            return
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        receiver.bodies.append(body)
        receiver.exports += _spans(ExportTraceServiceRequest.FromString(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: TraceReceiver


@contextmanager
def receiving() -> Iterator[TraceReceiver]:
    """A receiver for the length of the block."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.receiver = TraceReceiver(url=f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.receiver
        server.shutdown()


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    links=tuple((one.trace_id.hex(), one.span_id.hex()) for one in span.links),
                    is_error=span.status.code == 2,
                    start_s=span.start_time_unix_nano / 1e9,
                    end_s=span.end_time_unix_nano / 1e9,
                    attributes={
                        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
                        for one in span.attributes
                    },
                )
