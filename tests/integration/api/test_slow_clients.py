"""Clients that send a byte from time to time hold no connection, and no slot of a thread."""

import socket
import threading
import time

import httpx2
import pytest

from app.api.middleware import request_lifecycle
from app.api.timed_protocol import TimedProtocol
from tests.integration.api import asking

LIMIT_S = 1.0
LATEST_S = 30.0


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimedProtocol, "head_limit_s", LIMIT_S)
    monkeypatch.setattr(request_lifecycle, "BODY_SILENCE_S", LIMIT_S)


FORM = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def drip(http: httpx2.Client, head: str, *, every_s: float = 0.1) -> bytes:
    """Send the head, then a byte from time to time, until the server ends the connection; return
    what it answered."""
    address = (http.base_url.host, http.base_url.port)
    deadline = time.monotonic() + LATEST_S
    with socket.create_connection(address, timeout=every_s) as connection:
        connection.sendall(head.encode())
        answer = b""
        while time.monotonic() < deadline:
            try:
                connection.sendall(b"x")
                received = connection.recv(65536)
                answer += received
                if not received:
                    return answer
            except TimeoutError:
                continue
            except ConnectionError:
                return answer
    raise AssertionError("the server still waits")


def test_a_head_that_does_not_end_is_not_waited_for(http: httpx2.Client) -> None:
    assert drip(http, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ") == b""


def test_a_connection_without_a_request_ends(http: httpx2.Client) -> None:
    address = (http.base_url.host, http.base_url.port)
    with socket.create_connection(address, timeout=LATEST_S) as connection:
        assert connection.recv(1) == b""


def test_the_second_request_of_a_connection_has_its_time_too(http: httpx2.Client) -> None:
    first = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = drip(http, first + "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")

    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/api/v1/jobs/probe", "/api/v1/jobs:batch"])
def test_a_body_that_drips_is_refused(http: httpx2.Client, path: str) -> None:
    kind = "multipart/form-data; boundary=b" if path.endswith("uploads") else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    body = FORM if path.endswith("uploads") else ""
    answer = drip(http, f"{head}Content-Length: 100000\r\n\r\n{body}")

    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"the body does not arrive in time" in answer


def test_a_request_that_is_answered_may_not_go_on_dripping(http: httpx2.Client) -> None:
    kind = "multipart/form-data; boundary=b"
    head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    answer = drip(http, f"{head}Content-Length: 100000\r\n\r\nno form")

    assert b" 422 " in answer.split(b"\r\n")[0]


def test_a_stream_of_events_lasts_longer_than_a_body(http: httpx2.Client) -> None:
    job_id = asking.submit(http)["id"]
    cancel = threading.Timer(
        2 * LIMIT_S, lambda: httpx2.post(f"{http.base_url}{asking.JOBS}/{job_id}:cancel")
    )
    cancel.start()
    with http.stream("GET", f"{asking.JOBS}/{job_id}/events", timeout=LATEST_S) as answer:
        events = answer.read().decode()
    cancel.join()

    assert "event: end" in events
    assert "cancelled" in events
