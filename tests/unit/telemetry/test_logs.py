"""Log lines carry their event name and their fields."""

import io
import json
import logging
from collections.abc import Iterator

import httpx2
import pytest

from app.telemetry import logs
from app.telemetry.logs import LogFormat


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    root, requests = logging.getLogger(), logging.getLogger("httpx2")
    handlers, level, of_requests = root.handlers[:], root.level, requests.level
    requests.setLevel(logging.NOTSET)
    yield
    root.handlers[:], root.level = handlers, level
    requests.setLevel(of_requests)


def logged(log_format: LogFormat | None, *, level: str = "info") -> str:
    stream = io.StringIO()
    logs.configure(level, log_format=log_format, stream=stream)
    logging.getLogger("app.shop").info("pool scaled", extra={"pool": "shop/mail", "replicas": 3})
    return stream.getvalue()


def test_json_holds_the_event_and_its_fields() -> None:
    line = json.loads(logged(LogFormat.JSON))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "app.shop",
        "message": "pool scaled",
        "pool": "shop/mail",
        "replicas": 3,
    }


def test_text_is_one_line_for_people() -> None:
    line = logged(LogFormat.TEXT)
    assert line[8:] == " info     pool scaled  pool=shop/mail  replicas=3\n"


def test_json_is_the_default_away_from_a_terminal() -> None:
    assert json.loads(logged(None))["message"] == "pool scaled"


def test_less_than_the_level_is_not_written() -> None:
    assert logged(LogFormat.TEXT, level="warning") == ""


def test_an_exception_brings_its_trace() -> None:
    stream = io.StringIO()
    logs.configure("info", log_format=LogFormat.JSON, stream=stream)
    try:
        raise ValueError("because")
    except ValueError:
        logging.getLogger("app.shop").exception("tick failed")
    assert "ValueError: because" in json.loads(stream.getvalue())["exception"]


def answered(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200)


@pytest.mark.parametrize(
    ("chosen", "want"),
    [
        pytest.param(logging.NOTSET, 0, id="a URL may hold a secret"),
        pytest.param(logging.INFO, 1, id="whoever asks for the lines has them"),
    ],
)
def test_a_request_is_not_logged(chosen: int, want: int) -> None:
    stream = io.StringIO()
    logging.getLogger("httpx2").setLevel(chosen)
    logs.configure("debug", log_format=LogFormat.JSON, stream=stream)
    with httpx2.Client(transport=httpx2.MockTransport(answered)) as client:
        client.get("http://shop.example/?token=hidden")
    assert stream.getvalue().count("HTTP Request") == want
