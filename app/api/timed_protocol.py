"""uvicorn's protocol, with a limit on the time in which the head of a request arrives.

uvicorn waits for ever for the rest of a head, so that a client could hold any number of connections
by sending a byte from time to time.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has no complete head in time. An idle connection between
    two requests has uvicorn's own limit."""

    head_limit_s: ClassVar[float] = 20.0

    def __init__(self, *args: Any, **options: Any) -> None:  # uvicorn's
        super().__init__(*args, **options)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._start_timer()

    def on_message_begin(self) -> None:
        """The first bytes of a request are here."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        self._stop_timer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The answer is sent. Where its request still arrives, the client has had its time
        (`request_lifecycle.Drain`)."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_limit_s, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
