"""Reads the state and the configuration of a Redis server."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.broker.connections.connection import Connection
from app.doctor.snapshot import Part, Setting
from app.errors import BrokerRefused

ROUND_TRIPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The server's own answers."""

    latency_s: float
    info: Mapping[str, Setting] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[Part, str] = field(default_factory=dict)


async def read(connection: Connection) -> ServerFacts:
    """Read the server. A command that is refused leaves its part out.

    Raises:
        BrokerUnreachable: no answer, or the credentials are refused.
    """
    latency_s = await _latency_s(connection)
    missing: dict[Part, str] = {}
    info: Mapping[str, Setting] = {}
    config: Mapping[str | None, str | None] = {}
    try:
        async with connection.asking() as client:
            info = await client.info("all")
    except BrokerRefused as error:
        missing[Part.INFO] = f"INFO is {error}"
    try:
        async with connection.asking() as client:
            config = await client.config_get("*")
    except BrokerRefused as error:
        missing[Part.CONFIG] = f"CONFIG GET is {error}"
    return ServerFacts(
        latency_s=latency_s,
        info=info,
        config={str(name): str(value) for name, value in config.items()},
        missing=missing,
    )


async def _latency_s(connection: Connection) -> float:
    """The shortest round trip: others measure the load of this machine."""
    loop = asyncio.get_running_loop()
    found = []
    for _ in range(ROUND_TRIPS):
        async with connection.asking() as client:
            started_s = loop.time()
            await client.ping()
            found.append(loop.time() - started_s)
    return min(found)
