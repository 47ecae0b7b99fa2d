"""The broker of the pools of this machine: the `Brokers` port of the loop."""

from collections.abc import Callable

from app.broker.address import Address
from app.broker.link import Link
from app.control.pool import WorkerPool
from app.control.ports import Broker, BrokerKey


class LocalBrokers:
    """One server; a link for each key prefix on it. Close it."""

    def __init__(self, address: Address, *, clock: Callable[[], float]) -> None:
        self._address = address
        self._clock = clock
        self._links: dict[str, Link] = {}

    async def find(self, pool: WorkerPool) -> Broker:
        """The broker that this machine's workers use, whatever Secret the pool's spec names."""
        prefix = pool.spec.broker.key_prefix
        if prefix not in self._links:
            link = Link(self._address, key_prefix=prefix, clock=self._clock)
            link.open()
            self._links[prefix] = link
        link = self._links[prefix]
        key = BrokerKey(f"{self._address} {prefix}".strip())
        return Broker(key=key, queues=link.queues, workers=link.workers)

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()
