"""The outermost layer, around a bare ASGI application."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem
from app.api.middleware.request_lifecycle import BodyLimit, BodyRule, RequestContext


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body, reading it as it comes."""
    request = Request(scope, receive)
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
    await PlainTextResponse(str(length))(scope, receive, send)


async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the password is hunter2")


async def crash_half_way(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("half-way")


def call(app: ASGIApp, path: str = "/", **request: object) -> httpx2.Response:
    async def run() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.post(path, **request)  # type: ignore[arg-type]  # as given

    return asyncio.run(run())


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("a-b.c_D:7", id="a valid id"),
        pytest.param("x" * 128, id="the maximum length"),
    ],
)
def test_a_valid_request_id_comes_back(given: str) -> None:
    answer = call(RequestContext(echo), headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("x" * 129, id="too long"),
        pytest.param("a b", id="a space"),
        pytest.param("", id="empty"),
        pytest.param("<script>", id="markup"),
    ],
)
def test_an_invalid_request_id_is_replaced(given: str) -> None:
    answer = call(RequestContext(echo), headers={"X-Request-Id": given})
    assert len(answer.headers["X-Request-Id"]) == 32


def test_a_crash_is_a_problem_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    answer = call(RequestContext(crash), headers={"X-Request-Id": "r1"})
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:celeriac:problem:internal",
        "title": "Internal error",
        "status": 500,
        "detail": "The server log has details under this request id.",
        "request_id": "r1",
    }
    assert [record.message for record in caplog.records] == ["request failed"]
    assert "hunter2" in caplog.text


def test_a_crash_half_way_is_not_taken_for_a_whole_answer() -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        call(RequestContext(crash_half_way))


def limited(app: ASGIApp) -> ASGIApp:
    """The limit as in the application: inside the exception handlers."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Mount

    rules = [BodyRule(path_end="/uploads", limit_bytes=100)]
    limits = Middleware(BodyLimit, default_bytes=10, rules=rules)
    return Starlette(
        routes=[Mount("/", app)], middleware=[limits], exception_handlers=problem.HANDLERS
    )


async def in_pieces(length: int) -> AsyncIterator[bytes]:
    for _ in range(length):
        yield b"x"


TAKEN = (200, "text/plain; charset=utf-8")
REFUSED = (413, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "length", "want"),
    [
        pytest.param("/jobs", 10, TAKEN, id="exactly the limit"),
        pytest.param("/jobs", 11, REFUSED, id="one byte more"),
        pytest.param("/uploads", 100, TAKEN, id="a path with a limit of its own"),
        pytest.param("/uploads", 101, REFUSED, id="which holds as well"),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_over_the_limit_are_refused(
    path: str, length: int, want: tuple[int, str], *, declared: bool
) -> None:
    body: object = b"x" * length if declared else in_pieces(length)
    answer = call(limited(echo), path, content=body)
    assert (answer.status_code, answer.headers["Content-Type"]) == want


def test_streams_are_not_held_back() -> None:
    """The layers pass each part on as it comes: an event must not wait for the next one."""
    sent: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            assert b"one" in sent
            yield b"two"

        await StreamingResponse(parts())(scope, receive, send)

    async def receive() -> dict[str, object]:
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {}}
    wrapped = RequestContext(BodyLimit(app, default_bytes=10, rules=[]))
    asyncio.run(wrapped(scope, receive, send))
    assert sent[1:3] == [b"one", b"two"]
