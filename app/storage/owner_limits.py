"""Limits of owners: the server's for all, and those of single owners in their place."""

import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from app.settings import OwnerLimits
from app.storage import schema
from app.storage.engine import Database

_limits = schema.owner_limits
_jobs, _artifacts, _uploads = schema.jobs, schema.artifacts, schema.uploads

CACHE_S = 2.0
"""How long limits that were read are taken as they were, in each process."""

CACHED_OWNERS = 10_000

_INSERT = {
    name: dialect.insert(_limits)
    for name, dialect in (("postgresql", postgresql), ("sqlite", sqlite))
}


class OwnerLimitStore:
    """Limits by owner. Safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        *,
        defaults: OwnerLimits,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.defaults = defaults
        self._monotonic = monotonic
        self._cache: dict[str, tuple[OwnerLimits, float]] = {}
        self._lock = threading.Lock()

    def cached(self, owner: str) -> OwnerLimits | None:
        """The limits of the owner, when no read is needed to know them."""
        if not owner:
            return UNLIMITED
        limits, read_at = self._cache.get(owner, (None, 0.0))
        return limits if self._monotonic() - read_at < CACHE_S else None

    def of(self, owner: str) -> OwnerLimits:
        """The limits of the owner. Without an owner there are none: where no key is needed, all
        clients would share them. Raises StorageUnavailable."""
        known = self.cached(owner)
        if known is not None:
            return known
        query = select(_limits).where(_limits.c.owner == owner)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        found = self.defaults if row is None else _parse(dict(row._mapping))
        with self._lock:
            if len(self._cache) >= CACHED_OWNERS:
                self._cache.clear()
            self._cache[owner] = (found, self._monotonic())
        return found

    def own(self) -> dict[str, OwnerLimits]:
        """The owners that have limits of their own."""
        query = select(_limits).order_by(_limits.c.owner)
        with self._database.read() as connection:
            found = [dict(row._mapping) for row in connection.execute(query)]
        return {row["owner"]: _parse(row) for row in found}

    def set(self, owner: str, limits: OwnerLimits) -> None:
        """Give an owner limits of its own. Other processes follow within two seconds."""
        values = limits.model_dump()
        with self._database.write() as connection:
            insert = _INSERT[connection.dialect.name].values(owner=owner, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["owner"], set_=values))
        self._cache.pop(owner, None)

    def reset(self, owner: str) -> None:
        """Give an owner the server's limits again."""
        with self._database.write() as connection:
            connection.execute(delete(_limits).where(_limits.c.owner == owner))
        self._cache.pop(owner, None)


UNLIMITED = OwnerLimits()


def stored_bytes(connection: Connection, owner: str) -> int:
    """Bytes of the owner's uploads and artifacts."""
    of_uploads = select(func.sum(_uploads.c.size_bytes)).where(_uploads.c.owner == owner)
    of_artifacts = (
        select(func.sum(_artifacts.c.size_bytes))
        .join(_jobs, _artifacts.c.job_id == _jobs.c.id)
        .where(_jobs.c.owner == owner)
    )
    sums = [connection.execute(query).scalar() for query in (of_uploads, of_artifacts)]
    return sum(int(one or 0) for one in sums)


def _parse(row: dict[str, object]) -> OwnerLimits:
    return OwnerLimits.model_validate({k: v for k, v in row.items() if k != "owner"})
