"""Liveness and readiness of the operator, and the HTTP server of both probes."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from aiohttp import web

from app.control.ports import Tick
from app.errors import InvalidInput

logger = logging.getLogger(__name__)

TICK_LIMIT_S = 60.0
"""A loop without a tick for this long is not alive."""
START_LIMIT_S = 600.0
"""The same before its first tick: a restart does not help against an unavailable API server."""
SILENCE_LIMIT_S = 60.0
"""A shorter outage of the API server does not make the operator unready."""
READY_PATH = "/readyz"


class LastTick(Protocol):
    """The last tick of the loop, and how long ticks took."""

    @property
    def last_tick(self) -> Tick | None: ...

    def tick_quantile_s(self, quantile: float) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorNeeds:
    """What the operator needs to work, and whether it has it."""

    is_listed: bool
    """Every cache that it needs was complete once."""
    denied: tuple[str, ...] = ()
    """Missing rights, one sentence each."""
    silent_for_s: float = 0.0
    """For how long a cache has been out of date."""


def problems_of(needs: OperatorNeeds) -> tuple[str, ...]:
    """Why the operator cannot work; empty when it can."""
    found = list(needs.denied)
    if not needs.is_listed and not found:
        found.append("pools, workloads and pods are not listed yet")
    if needs.silent_for_s > SILENCE_LIMIT_S:
        found.append("the API server has not answered for more than a minute")
    return tuple(dict.fromkeys(found))


class Readiness:
    """Whether the operator can work. Changes are logged."""

    def __init__(
        self, needs: Callable[[], OperatorNeeds], *, on_change: Callable[[float], None]
    ) -> None:
        self._needs = needs
        self._on_change = on_change
        self._logged: str | None = None
        """Why it was not ready; empty when it was, `None` before the first check."""

    def check(self) -> tuple[str, ...]:
        """Why it is not ready; empty when it is."""
        needs = self._needs()
        found = problems_of(needs)
        why = "; ".join(found)
        if why == self._logged:
            return found
        if not found:
            logger.info("operator is ready")
        elif needs.denied or self._logged is not None:
            logger.error("operator is not ready", extra={"why": why})
        if self._logged is None or not (why and self._logged):
            self._on_change(not found)
        self._logged = why
        return found


class Liveness:
    """Whether the loop of a leader still ticks."""

    def __init__(
        self, ticks: LastTick, *, is_leading: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        self._ticks = ticks
        self._is_leading = is_leading
        self._clock = clock
        self._since_s = clock()
        """When it last stood by: a loop that has just started has no tick yet."""

    def check(self) -> str:
        """Why it is not alive; empty when it is."""
        now_s = self._clock()
        if not self._is_leading():
            self._since_s = now_s
            return ""
        last = self._ticks.last_tick
        limit_s = TICK_LIMIT_S if last is not None else START_LIMIT_S
        age_s = now_s - max(self._since_s, last.ended_at_s if last is not None else 0.0)
        return f"the loop has not ticked for {age_s:.0f} s" if age_s > limit_s else ""

    def figures(self) -> dict[str, object]:
        """Figures of the loop for the response."""
        last = self._ticks.last_tick
        if last is None:
            return {"isLeading": self._is_leading()}
        return {
            "isLeading": self._is_leading(),
            "tickAgeSeconds": round(self._clock() - last.ended_at_s, 1),
            "pools": last.pools,
            "failedPools": len(last.failed),
            "tickP50Seconds": round(self._ticks.tick_quantile_s(0.50), 4),
            "tickP99Seconds": round(self._ticks.tick_quantile_s(0.99), 4),
        }


@asynccontextmanager
async def serving(url: str | None, liveness: Liveness, readiness: Readiness) -> AsyncIterator[None]:
    """Serve liveness at `url` and readiness at `/readyz` of the same port, without a request log.

    Raises InvalidInput.
    """
    if url is None:
        yield
        return
    host, port, path = _address(url)

    async def healthz(_: web.Request) -> web.Response:
        problem = liveness.check()
        body = {"loop": liveness.figures()} | ({"problem": problem} if problem else {})
        return web.json_response(body, status=500 if problem else 200)

    async def readyz(_: web.Request) -> web.Response:
        problems: Sequence[str] = readiness.check()
        return web.json_response({"problems": problems}, status=503 if problems else 200)

    application = web.Application()
    application.add_routes([web.get(path, healthz), web.get(READY_PATH, readyz)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise InvalidInput(f"--liveness {url}: {error.strerror or error}") from error
        yield
    finally:
        await runner.cleanup()


def _address(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise InvalidInput(f"--liveness takes http://HOST:PORT/PATH, not {url!r}")
    return parts.hostname, parts.port, parts.path or "/"
