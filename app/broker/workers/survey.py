"""Finds workers under other names than expected: other exchanges, key prefixes or databases.

Runs on request only, when expected workers send no heartbeats.

Redis does not list the pattern subscriptions of kombu. So the survey listens to heartbeats on all
channels for a few seconds, and reads the recipients of commands from the bindings of workers.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from contextlib import aclosing

from app.broker import redis_keys
from app.broker.connections.connection import Connection
from app.broker.messages import envelope
from app.broker.model import Elsewhere, NodeName
from app.broker.redis_keys import Keys
from app.errors import BrokerUnreachable, InvalidInput

LISTEN_S = 5.0
"""Heartbeats come every 2 s."""
PAUSE_S = 60.0
"""Pause between two surveys."""
NODE_LIMIT = 1_000
SCANS = 20
SCANNED_AT_ONCE = 1_000
"""Keys that one call scans: 1 ms of the server."""

_HEARTBEAT = "worker.heartbeat"
_PIDBOX = ".pidbox"
_CHANNEL = re.compile(r"(?P<prefix>.*?)/(?P<db>\d+|\{db\})\.(?P<exchange>.+)", re.DOTALL)

logger = logging.getLogger(__name__)


class Survey:
    """Surveys one broker. `found` is the result of the last survey."""

    def __init__(self, connection: Connection, layout: Keys, *, listen_s: float = LISTEN_S) -> None:
        self._connection = connection
        self._keys = layout
        self._listen_s = listen_s
        self._requested = asyncio.Event()
        self.found = Elsewhere()

    def request(self) -> None:
        """Request the next survey."""
        self._requested.set()

    async def run(self) -> None:
        """Survey on request, until cancelled."""
        while True:
            await self._requested.wait()
            try:
                self.found = Elsewhere(events=await self._events(), control=await self._control())
            except BrokerUnreachable as exc:
                logger.info("no survey of the broker", extra={"reason": str(exc)})
            except Exception:
                logger.exception("survey of the broker failed")
            await asyncio.sleep(PAUSE_S)
            self._requested.clear()

    async def _events(self) -> Mapping[NodeName, str]:
        expected = self._keys.event_channels(_HEARTBEAT)
        found: dict[NodeName, str] = {}
        try:
            async with asyncio.timeout(self._listen_s):
                published = self._connection.subscribe((), patterns=[f"*/{_HEARTBEAT}"])
                async with aclosing(published):
                    async for message in published:
                        node = _node(message.data)
                        is_new = message.channel not in expected and len(found) < NODE_LIMIT
                        if node is not None and is_new:
                            found[node] = events_difference(message.channel, self._keys)
        except TimeoutError:
            pass
        return found

    async def _control(self) -> Mapping[NodeName, str]:
        found: dict[NodeName, str] = {}
        cursor = 0
        async with self._connection.asking() as client:
            for _ in range(SCANS):
                cursor, names = await client.scan(
                    cursor, match=f"*_kombu.binding.*{_PIDBOX}", count=SCANNED_AT_ONCE
                )
                for name in names:
                    _, members = await client.sscan(name, count=SCANNED_AT_ONCE)
                    found |= self._bound(_text(name), list(map(_text, members)))
                if cursor == 0 or len(found) > NODE_LIMIT:
                    break
        return found

    def _bound(self, key: str, members: list[str]) -> Mapping[NodeName, str]:
        prefix, _, exchange = key.partition("_kombu.binding.")
        if key == f"{self._keys.binding_prefix}{self._keys.pidbox_exchange}":
            return {}
        difference = control_difference(prefix, exchange.removesuffix(_PIDBOX), self._keys)
        return {
            NodeName(queue.removesuffix(f".{exchange}")): difference
            for queue in map(_queue, members)
            if queue.endswith(f".{exchange}")
        }


def _node(event: bytes | None) -> NodeName | None:
    try:
        body = envelope.parse_envelope(event or b"").open()
        return NodeName(str(body["hostname"]))
    except (InvalidInput, KeyError, TypeError):
        return None


def _text(raw: bytes | str) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw


def _queue(member: str) -> str:
    try:
        return redis_keys.parse_binding(member)[2]
    except ValueError:
        return ""


def events_difference(channel: str, layout: Keys) -> str:
    """The settings with which heartbeats are expected on this channel.

    >>> events_difference("shop:/3.shop.events/worker.heartbeat", Keys())
    'keyPrefix: "shop:", eventExchange: "shop.events", database 3 in the URL'
    """
    place = channel.removesuffix(f"/{_HEARTBEAT}")
    parts = _CHANNEL.fullmatch(place)
    if parts is None:
        return f"fanoutPrefix, so that the channel is {place!r}"
    ways = []
    if parts["prefix"] != layout.prefix:
        ways.append(f'keyPrefix: "{parts["prefix"]}"')
    if parts["exchange"] != layout.exchanges.events:
        ways.append(f'eventExchange: "{parts["exchange"]}"')
    if parts["db"] not in (str(layout.db), "{db}"):
        ways.append(f"database {parts['db']} in the URL")
    return ", ".join(ways) or f"the broker URL: these workers use kombu's Sentinel ({place!r})"


def control_difference(prefix: str, exchange: str, layout: Keys) -> str:
    """The settings with which commands reach this worker.

    >>> control_difference("", "shop", Keys())
    'controlExchange: "shop"'
    """
    ways = [f'keyPrefix: "{prefix}"'] if prefix != layout.prefix else []
    if exchange != layout.exchanges.control:
        ways.append(f'controlExchange: "{exchange}"')
    return ", ".join(ways)
