"""The broker of each pool: one connection for all pools that share it."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from pydantic import SecretStr

from app.broker.connections import address as addresses
from app.broker.connections.address import NO_SENTINEL, Address, SentinelEntry
from app.broker.link import Link
from app.broker.model import BrokerReading
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.references import SentinelSpec
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Broker, BrokerKey
from app.errors import BrokerUnreachable, InvalidInput
from app.operator.resources.secrets import SecretKey, Secrets
from app.queues import QueueName

UNUSED_S = 300.0
"""A connection that no pool uses is closed after this time (its URL was replaced)."""


@dataclass(frozen=True, slots=True)
class _BrokerTarget:
    """Two pools with equal values share a connection."""

    address: Address
    key_prefix: str
    exchanges: Exchanges = CELERY_EXCHANGES


@lru_cache(maxsize=1024)
def _target(
    url: str, sentinel: SentinelEntry, key_prefix: str, exchanges: Exchanges
) -> _BrokerTarget:
    """Called for each pool at each tick; equal arguments give the same object."""
    return _BrokerTarget(addresses.parse_address(url, sentinel=sentinel), key_prefix, exchanges)


class _OpenLink:
    """An open link, and whether its last reading failed."""

    def __init__(self, link: Link, key: BrokerKey) -> None:
        self._link = link
        self.broker = Broker(key=key, queues=self, workers=link.workers, survey=link.survey)
        self.is_failing = False
        self.used_at_s = 0.0

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        try:
            reading = await self._link.queues.read(queues)
        except BrokerUnreachable:
            self.is_failing = True
            raise
        self.is_failing = False
        return reading

    async def close(self) -> None:
        await self._link.close()


class KubernetesBrokers:
    """The `Brokers` of the loop: URLs come from Secrets, or are the operator's own."""

    def __init__(
        self,
        secrets: Secrets,
        *,
        own_url: SecretStr | None,
        url_for_all: SecretStr | None = None,
        own_sentinel: SentinelEntry = NO_SENTINEL,
        clock: Callable[[], float],
        has_revocations: bool = True,
    ) -> None:
        """Without `has_revocations` no revoked ids are sent to workers that start (a dry run)."""
        self._has_revocations = has_revocations
        self._secrets = secrets
        self._own_url = own_url
        self._url_for_all = url_for_all
        self._own_sentinel = own_sentinel
        self._clock = clock
        self._connected: dict[_BrokerTarget, _OpenLink] = {}
        self._last: dict[SecretKey, _BrokerTarget] = {}

    async def find(self, pool: WorkerPool) -> Broker:
        """The broker of a pool. Raises `PoolProblem` (`BROKER_UNKNOWN`)."""
        target = await self._find_target(pool)
        if target not in self._connected:
            await self._close_unused()
        connected = self._connected.get(target)  # now: another pool may have come first meanwhile
        if connected is None:
            link = Link(
                target.address,
                key_prefix=target.key_prefix,
                exchanges=target.exchanges,
                clock=self._clock,
                has_revocations=self._has_revocations,
            )
            connected = _OpenLink(link, self._new_key(target))
            self._connected[target] = connected
            link.open()
        connected.used_at_s = self._clock()
        return connected.broker

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(each.close() for each in self._connected.values()))
        self._connected.clear()

    async def _find_target(self, pool: WorkerPool) -> _BrokerTarget:
        if self._url_for_all is not None:
            url = self._url_for_all.get_secret_value()
            return self._parsed(url, self._own_sentinel, pool, source="the URL of --broker-url")
        reference = pool.spec.broker.secret_key_ref
        if reference is None:
            url, source = self._url_of_operator(), "the operator's CELERY_BROKER_URL"
            return self._parsed(url, self._own_sentinel, pool, source=source)
        key = SecretKey(pool.key.namespace, reference.name, reference.key)
        last = self._connected.get(self._last[key]) if key in self._last else None
        is_suspect = last is not None and last.is_failing
        url = await self._secrets.value(key, is_suspect=is_suspect)
        sentinel = await self._sentinel(pool.spec.broker.sentinel, key, is_suspect=is_suspect)
        target = self._parsed(url, sentinel, pool, source=str(key))
        if is_suspect and self._last[key] != target:
            await self._retire(self._last[key])
        self._last[key] = target
        return target

    async def _sentinel(
        self, spec: SentinelSpec | None, url_key: SecretKey, *, is_suspect: bool
    ) -> SentinelEntry:
        if spec is None:
            return NO_SENTINEL
        password = None
        if spec.password_key:
            key = replace(url_key, key=spec.password_key)
            password = await self._secrets.value(key, is_suspect=is_suspect)
        return SentinelEntry(username=spec.username or None, password=password, has_tls=spec.tls)

    def _url_of_operator(self) -> str:
        if self._own_url is None:
            raise PoolProblem(
                ProblemReason.BROKER_UNKNOWN,
                "set spec.broker.secretKeyRef: the operator has no CELERY_BROKER_URL of its own",
            )
        return self._own_url.get_secret_value()

    def _parsed(
        self, url: str, sentinel: SentinelEntry, pool: WorkerPool, *, source: str
    ) -> _BrokerTarget:
        broker = pool.spec.broker
        master_name = broker.master_name or sentinel.master_name
        try:
            return _target(
                url,
                replace(sentinel, master_name=master_name),
                broker.key_prefix,
                broker.exchanges,
            )
        except InvalidInput as error:
            message = f"{source} is not a broker URL: {error}"
            raise PoolProblem(ProblemReason.BROKER_UNKNOWN, message) from error

    def _new_key(self, target: _BrokerTarget) -> BrokerKey:
        """A different key for each target, even where only the password differs."""
        user = f"{target.address.username}@" if target.address.username else ""
        prefix = f" {target.key_prefix}" if target.key_prefix else ""
        named = target.exchanges != CELERY_EXCHANGES
        exchanges = f" {target.exchanges.events} {target.exchanges.control}" if named else ""
        text = f"{user}{target.address}/{target.address.db}{prefix}{exchanges}"
        taken = {each.broker.key for each in self._connected.values()}
        names = [text, *(f"{text} ({number})" for number in range(2, len(taken) + 2))]
        return BrokerKey(next(name for name in names if name not in taken))

    async def _retire(self, target: _BrokerTarget) -> None:
        """Close a failing connection that its Secret no longer names: it would keep trying to log
        in. A pool that still needs it opens it again."""
        connected = self._connected.pop(target, None)
        if connected is not None:
            await connected.close()

    async def _close_unused(self) -> None:
        oldest_s = self._clock() - UNUSED_S
        unused = [key for key, each in self._connected.items() if each.used_at_s < oldest_s]
        for key in unused:
            await self._connected.pop(key).close()
