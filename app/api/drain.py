"""Lets a client that still sends its body hear why that is refused.

A server that closes a connection with unread bytes in it resets it, and the client loses the
answer that it was just sent. So the rest of the body is read, and thrown away, before the answer
ends: to a limit, after which the client has itself to blame.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMIT_BYTES = 64 * 1024 * 1024
LIMIT_S = 2.0


class Drain:
    """Reads what is left of a request's body before its response ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)

        async def send_then_drain(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if not is_last or body.is_over:
                await send(message)
                return
            await send({**message, "more_body": True})
            await body.drain()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, body.receive, send_then_drain)


def _has_body(headers: Headers) -> bool:
    if headers.get("expect"):
        return False  # the client waits for a word from us before it sends anything
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _Body:
    """A request's body on its way in."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        left_bytes = LIMIT_BYTES
        try:
            async with asyncio.timeout(LIMIT_S):
                while not self.is_over and left_bytes > 0:
                    left_bytes -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
