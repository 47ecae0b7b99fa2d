"""Sends clients elsewhere while this server is on its way out.

A client that keeps its connection would send the next request at the very moment when the server
closes it, and see a reset. Whoever ends the server makes a file some seconds before (the chart does
so in `preStop`): from then on each answer is the last one of its connection.
"""

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Leaving:
    """Ends connections after their present request while the file `mark` is there."""

    def __init__(self, app: ASGIApp, *, mark: Path) -> None:
        self._app = app
        self._mark = mark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_farewell(message: Message) -> None:
            if message["type"] == "http.response.start" and self._mark.exists():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_farewell)
