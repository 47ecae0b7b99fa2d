"""Answers to clients that still send."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from app.api.middleware import request_lifecycle

PART = {"type": "http.request", "body": b"x" * 10, "more_body": True}
LAST = {"type": "http.request", "body": b"x", "more_body": False}
GONE = {"type": "http.disconnect"}

SENDING = [(b"content-length", b"31")]


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading."""
    await PlainTextResponse("no", status_code=413)(scope, receive, send)


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await PlainTextResponse("yes")(scope, receive, send)


def ask(
    app: object, incoming: Sequence[Message], *, headers: Sequence[tuple[bytes, bytes]] = SENDING
) -> tuple[list[Message], int]:
    """What is sent, and how many messages were not read."""
    waiting = list(incoming)
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers)}
    asyncio.run(request_lifecycle.Drain(app)(scope, receive, send))  # type: ignore[arg-type]  # an ASGI app
    return sent, len(waiting)


@pytest.mark.parametrize(
    "incoming",
    [
        pytest.param([PART, PART, PART, LAST], id="a long body"),
        pytest.param([PART, GONE], id="a client that disconnects"),
    ],
)
def test_the_answer_ends_when_the_client_has_sent_all(incoming: Sequence[Message]) -> None:
    sent, left = ask(refuse, incoming)
    assert left == 0
    assert [message.get("body") for message in sent] == [None, b"no", b""]
    assert [message.get("more_body") for message in sent] == [None, True, False]


def test_the_answer_is_not_held_back_until_then() -> None:
    """It is sent before the first part is read."""
    order: list[str] = []

    async def receive() -> Message:
        order.append("read")
        return LAST

    async def send(message: Message) -> None:
        order.append(str(message.get("body", "start")))

    scope = {"type": "http", "method": "POST", "path": "/", "headers": SENDING}
    asyncio.run(request_lifecycle.Drain(refuse)(scope, receive, send))
    assert order == ["start", "b'no'", "read", "b''"]


def test_a_body_that_was_read_needs_no_more() -> None:
    sent, _ = ask(read_all, [PART, LAST])
    assert [message.get("body") for message in sent] == [None, b"yes"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no body"),
        pytest.param([(b"content-length", b"0")], id="an empty one"),
        pytest.param([*SENDING, (b"expect", b"100-continue")], id="a client that asks first"),
    ],
)
def test_a_client_that_sends_nothing_is_not_waited_for(
    headers: list[tuple[bytes, bytes]],
) -> None:
    sent, _ = ask(refuse, [], headers=headers)
    assert [message.get("body") for message in sent] == [None, b"no"]


def test_a_client_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_lifecycle, "DRAIN_LIMIT_BYTES", 25)
    _, left = ask(refuse, [PART] * 100)
    assert left == 97


def test_a_client_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_lifecycle, "DRAIN_LIMIT_S", 0.01)
    sent, _ = ask(refuse, [PART])
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
