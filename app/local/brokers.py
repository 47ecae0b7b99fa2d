"""The broker of the pools of this machine: the `Brokers` port of the loop."""

from collections.abc import Callable, Mapping

from app.broker.address import Address
from app.broker.link import Link
from app.broker.revocations import Revocations
from app.control.pool import WorkerPool
from app.control.ports import Broker, BrokerKey


class LocalBrokers:
    """One server; a link for each key prefix on it. Close it."""

    def __init__(
        self,
        address: Address,
        *,
        revoked: Mapping[str, Mapping[str, float]],
        clock: Callable[[], float],
    ) -> None:
        """`revoked` is what a run before this one has kept (`revoked`)."""
        self._address = address
        self._revoked = revoked
        self._clock = clock
        self._links: dict[str, Link] = {}

    async def find(self, pool: WorkerPool) -> Broker:
        """The broker that this machine's workers use, whatever Secret the pool's spec names."""
        prefix = pool.spec.broker.key_prefix
        link = self._link(prefix)
        key = BrokerKey(f"{self._address} {prefix}".strip())
        return Broker(key=key, queues=link.queues, workers=link.workers)

    def revocations(self, pool: WorkerPool) -> Revocations:
        """What was revoked in the application of this pool."""
        return self._link(pool.spec.broker.key_prefix).revocations

    def revoked(self) -> Mapping[str, Mapping[str, float]]:
        """Revoked ids with their moments, by key prefix."""
        found = {prefix: link.revocations.by_time() for prefix, link in self._links.items()}
        return {**self._revoked, **found}

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()

    def _link(self, prefix: str) -> Link:
        if prefix not in self._links:
            link = Link(self._address, key_prefix=prefix, clock=self._clock, has_revocations=True)
            link.revocations.restore(self._revoked.get(prefix, {}))
            link.open()
            self._links[prefix] = link
        return self._links[prefix]
