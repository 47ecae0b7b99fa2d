"""The broker of the pools of this machine: the `Brokers` port of the loop."""

from collections.abc import Callable, Mapping

from app.broker.connections.address import Address
from app.broker.keys import CELERY_EXCHANGES, Exchanges
from app.broker.link import Link
from app.broker.workers.revocations import Revocations
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Broker, BrokerKey


class LocalBrokers:
    """One server; a link for each application on it. Close it."""

    def __init__(
        self,
        address: Address,
        *,
        revoked: Mapping[str, Mapping[str, float]],
        exchanges: Exchanges = CELERY_EXCHANGES,
        clock: Callable[[], float],
    ) -> None:
        """`revoked` is what a run before this one has kept (`revoked`); `exchanges` are those of
        pools whose manifest does not name others."""
        self._address = address
        self._revoked = revoked
        self._exchanges = exchanges
        self._clock = clock
        self._links: dict[str, Link] = {}

    async def find(self, pool: WorkerPool) -> Broker:
        """The broker that this machine's workers use, whatever Secret the pool's spec names."""
        link = self._link(pool)
        key = BrokerKey(f"{self._address} {self._name(pool)}".strip())
        return Broker(key=key, queues=link.queues, workers=link.workers, survey=link.survey)

    def revocations(self, pool: WorkerPool) -> Revocations:
        """What was revoked in the application of this pool."""
        return self._link(pool).revocations

    def revoked(self) -> Mapping[str, Mapping[str, float]]:
        """Revoked ids with their moments, by application."""
        found = {name: link.revocations.by_time() for name, link in self._links.items()}
        return {**self._revoked, **found}

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()

    def _link(self, pool: WorkerPool) -> Link:
        name = self._name(pool)
        if name not in self._links:
            link = Link(
                self._address,
                key_prefix=pool.spec.broker.key_prefix,
                exchanges=self._exchanges_of(pool),
                clock=self._clock,
                has_revocations=True,
            )
            link.revocations.restore(self._revoked.get(name, {}))
            link.open()
            self._links[name] = link
        return self._links[name]

    def _name(self, pool: WorkerPool) -> str:
        """What tells its application from others on this server: empty for most."""
        exchanges = self._exchanges_of(pool)
        named = "" if exchanges == CELERY_EXCHANGES else f"{exchanges.events} {exchanges.control}"
        return f"{pool.spec.broker.key_prefix} {named}".strip()

    def _exchanges_of(self, pool: WorkerPool) -> Exchanges:
        named = pool.spec.broker.exchanges
        return named if named != CELERY_EXCHANGES else self._exchanges
