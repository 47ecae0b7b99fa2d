"""A pool of connections to one broker, which turns redis-py's errors into ours."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from redis import asyncio as redis
from redis import exceptions
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from app.broker.connections.address import Address, Endpoint, Sentinels, Tls
from app.errors import BrokerNotReady, BrokerRefused, BrokerUnreachable

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 5.0
"""Limit for one conversation, including the connect."""
SILENCE_LIMIT_S = 5.0
"""A subscription that is silent for this long gets a PING, which must be answered as quickly."""
CLIENT_NAME = "celeriac"

_REFUSALS: tuple[type[exceptions.RedisError], ...] = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.AuthenticationWrongNumberOfArgsError,
    exceptions.ExternalAuthProviderError,
)
"""Connection errors of redis-py that mean the server has answered and refused."""

_NOT_READY: tuple[type[exceptions.RedisError], ...] = (
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,  # also MASTERDOWN
    exceptions.TryAgainError,
)
_NOT_READY_WORDS = ("max number of clients reached", "is busy running a script")
"""Answers that redis-py has no class for."""

_SILENCES: tuple[type[Exception], ...] = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    OSError,
    TimeoutError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A message of a subscription. `data` is `None` when the subscription has just begun, at first
    or after a gap."""

    channel: str
    data: bytes | None


def translated(error: BaseException, *, host: str) -> BrokerUnreachable:
    """Our error for one of redis-py or the operating system, also where kombu has wrapped it. Its
    message contains no secret."""
    found = _cause(error)
    reason = _reason(found)
    if isinstance(found, _REFUSALS):
        return BrokerRefused(host=host, reason=reason)
    if isinstance(found, _NOT_READY) or any(words in reason for words in _NOT_READY_WORDS):
        return BrokerNotReady(host=host, reason=reason)
    if isinstance(found, _SILENCES) or not isinstance(found, _OF_REDIS):
        return BrokerUnreachable(host=host, reason=reason)
    return BrokerRefused(host=host, reason=reason)


_OF_REDIS = (exceptions.RedisError, exceptions.RedisClusterException)


def _cause(error: BaseException) -> BaseException:
    """The redis-py error that caused this one, else the error itself."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, _OF_REDIS):
        found = found.__cause__
    return found if found is not None else error


def _reason(error: BaseException) -> str:
    """A short reason: the server's message with its code, or the one of the operating system."""
    # redis-py strips the code (WRONGPASS, NOPERM, OOM) from the server's answer.
    code = getattr(error, "status_code", None)
    text = str(error).strip().rstrip(".")
    if code:
        return f"{code} {text}"
    # The number in a TLS error is not an errno.
    tls = re.search(r"\[SSL: \w+\] (.+?)(?: \(_ssl\.c:\d+\))?$", text)
    if tls:
        return tls[1]
    # For example "Error 111 connecting to HOST:PORT. Connect call failed ('HOST', PORT)".
    numbered = re.match(r"(?:Error |\[Errno )(\d+)", text)
    return os.strerror(int(numbered[1])) if numbered else text


_DISCONNECTED: tuple[type[Exception], ...] = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    OSError,
)
"""Errors after which kombu tries the next server of a list."""


class Connection:
    """Connections to one broker, opened on first use. Close it.

    With a list of servers it uses one of them, and moves on to the next when that one fails.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._sentinel: Sentinel | None = None
        self._servers = (address, *address.alternates)
        self._clients = [self._open(each) for each in self._servers]
        self._current = 0

    @asynccontextmanager
    async def asking(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> AsyncIterator["redis.Redis"]:
        """Yield the client for a conversation of at most `timeout_s`.

        Raises:
            BrokerUnreachable: no connection, or no answer in time.
            BrokerNotReady: the broker cannot serve now.
            BrokerRefused: it refuses our credentials or a command.
        """
        with self._speaking() as client:
            async with asyncio.timeout(timeout_s):
                yield client

    async def answers(self) -> bool:
        """Whether the broker answers and accepts our credentials. Logs nothing: the reader of its
        queues reports an outage."""
        try:
            async with self.asking() as client:
                await client.ping()
        except BrokerUnreachable:
            return False
        return True

    async def subscribe(
        self, channels: Sequence[str], *, patterns: Sequence[str] = ()
    ) -> AsyncGenerator[Published, None]:
        """Yield what is published to these channels, and to those that match a glob pattern, until
        the connection breaks. Close the generator.

        Raises:
            BrokerUnreachable: the connection broke, or went silent.
            BrokerRefused: the broker refuses our credentials, or these channels.
        """
        with self._speaking() as client:
            async with client.pubsub() as subscription:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    if channels:
                        await subscription.subscribe(*channels)
                    if patterns:
                        await subscription.psubscribe(*patterns)
                async for message in self._messages(subscription, client):
                    kind, channel = message["type"], message["channel"]
                    if kind in ("message", "pmessage", "subscribe", "psubscribe"):
                        data = message["data"] if kind.endswith("message") else None
                        yield Published(channel=channel.decode(errors="replace"), data=data)

    async def close(self) -> None:
        """Close every connection, for good."""
        for client in self._clients:
            await client.aclose()
        for sentinel in self._sentinel.sentinels if self._sentinel is not None else ():
            await sentinel.aclose()

    @contextmanager
    def _speaking(self) -> Iterator["redis.Redis"]:
        number = self._current
        try:
            yield self._clients[number]
        except (exceptions.RedisError, exceptions.RedisClusterException, OSError) as exc:
            if isinstance(exc, _DISCONNECTED) and number == self._current:
                self._current = (number + 1) % len(self._servers)
            host = str(replace(self._servers[number], alternates=()))
            raise translated(exc, host=host) from exc

    def _open(self, address: Address) -> "redis.Redis":
        options = _options(address)
        match address.place:
            case Sentinels() as sentinels:
                self._sentinel = _sentinel(sentinels, options)
                master: redis.Redis = self._sentinel.master_for(sentinels.master_name)
                return master
            case Endpoint(host=host, port=port):
                return redis.Redis(host=host, port=port, **options)
            case path:
                return redis.Redis(unix_socket_path=path, **options)

    async def _messages(
        self, subscription: PubSub, client: "redis.Redis"
    ) -> AsyncGenerator[dict[str, Any], None]:
        is_waiting_for_pong = False
        while client is self._clients[self._current]:
            # The outer limit is for a server that accepts a new connection and never answers.
            async with asyncio.timeout(SILENCE_LIMIT_S + ANSWER_TIMEOUT_S):
                message = await subscription.get_message(timeout=SILENCE_LIMIT_S)
            if message is not None:
                is_waiting_for_pong = False
                yield message
            elif is_waiting_for_pong:
                raise TimeoutError("no answer to a PING")
            else:
                is_waiting_for_pong = True
                await subscription.ping()
        raise ConnectionResetError("another server of the broker URL is used now")


def _sentinel(sentinels: Sentinels, options: Mapping[str, Any]) -> Sentinel:
    shared = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    entry = sentinel_options(sentinels)
    return Sentinel(  # type: ignore[no-untyped-call]  # redis has no types for it
        [(endpoint.host, endpoint.port) for endpoint in sentinels.endpoints],
        # No retry: the next Sentinel is asked instead.
        sentinel_kwargs={**shared, **entry, "retry": Retry(NoBackoff(), 0)},
        **options,
    )


def _options(address: Address) -> dict[str, Any]:
    return {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "client_name": CLIENT_NAME,
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        # Every conversation has a deadline of ours. With a timeout of its own, redis-py writes
        # through `asyncio.wait_for`, which swallows cancellations before Python 3.12.
        "socket_timeout": None,
        "socket_keepalive": True,
        # One immediate retry: a pooled connection may belong to a server that has restarted.
        "retry": Retry(NoBackoff(), 1),
        **tls_options(address.tls),
    }


def sentinel_options(sentinels: Sentinels) -> dict[str, Any]:  # arguments of several types
    """redis-py's options for the Sentinels, the main part of kombu's `sentinel_kwargs`."""
    return {
        "username": sentinels.username,
        "password": sentinels.password,
        **tls_options(sentinels.tls),
    }


def tls_options(tls: Tls | None) -> dict[str, Any]:  # arguments of several types
    """redis-py's options for TLS."""
    if tls is None:
        return {}
    return {
        "ssl": True,
        "ssl_cert_reqs": tls.certificate_check,
        "ssl_check_hostname": tls.check_hostname,
        "ssl_ca_certs": tls.ca_certs,
        "ssl_ca_path": tls.ca_path,
        "ssl_ca_data": tls.ca_data,
        "ssl_certfile": tls.certfile,
        "ssl_keyfile": tls.keyfile,
        "ssl_password": tls.password,
        "ssl_ciphers": tls.ciphers,
    }
