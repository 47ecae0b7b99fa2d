"""Everything that one owner has: counted, and erased."""

from dataclasses import dataclass

from sqlalchemy import Connection, Select, delete, func, or_, select

from app.jobs.model.job import FINAL_STATES, JobId, JobState
from app.jobs.store import acceptance
from app.storage import owner_limits, ownership, schema
from app.storage.engine import Database

_jobs = schema.jobs
_artifacts = schema.artifacts
_uploads = schema.uploads
_sources = schema.sources
_disabled = schema.disabled_webhooks
_archive = schema.video_archive

_FINAL = sorted(FINAL_STATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedData:
    """How much an owner has."""

    owner: str
    jobs: int
    unfinished_jobs: int
    uploads: int
    sources: int
    notifications: int
    bytes: int
    """Of uploads and artifacts."""


class OwnedDataStore:
    """Data by owner. Chunks, which may be in another database, are the caller's to erase."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def owners(self) -> list[OwnedData]:
        """All owners that have anything, by name."""
        tables = (_jobs, _uploads, _sources, schema.notifications)
        of_jobs = select(_jobs.c.owner, func.count()).where(_jobs.c.state.not_in(_FINAL))
        of_uploads = select(_uploads.c.owner, func.sum(_uploads.c.size_bytes))
        of_artifacts = select(_jobs.c.owner, func.sum(_artifacts.c.size_bytes)).join(
            _artifacts, _artifacts.c.job_id == _jobs.c.id
        )
        with self._database.read() as connection:
            counts = [
                _by_owner(connection, select(table.c.owner, func.count())) for table in tables
            ]
            unfinished = _by_owner(connection, of_jobs)
            sizes = [_by_owner(connection, query) for query in (of_uploads, of_artifacts)]
        jobs, uploads, sources, notifications = counts
        names = sorted({name for found in counts for name in found})
        return [
            OwnedData(
                owner=name,
                jobs=jobs.get(name, 0),
                unfinished_jobs=unfinished.get(name, 0),
                uploads=uploads.get(name, 0),
                sources=sources.get(name, 0),
                notifications=notifications.get(name, 0),
                bytes=sum(found.get(name, 0) for found in sizes),
            )
            for name in names
        ]

    def stored_bytes(self, owner: str) -> int:
        """Bytes of the owner's uploads and artifacts."""
        with self._database.read() as connection:
            return owner_limits.stored_bytes(connection, owner)

    def unfinished_count(self, owner: str) -> int:
        """How many jobs of the owner are queued or running."""
        with self._database.read() as connection:
            return acceptance.count_unfinished(connection, owner)

    def running_count(self, owner: str) -> int:
        """How many jobs of the owner are running."""
        with self._database.read() as connection:
            return acceptance.count_unfinished(connection, owner, state=JobState.RUNNING)

    def unfinished(self, owner: str) -> list[JobId]:
        """Jobs of the owner that have not ended, or that a worker holds."""
        query = select(_jobs.c.id).where(
            _jobs.c.owner == owner,
            or_(
                _jobs.c.state.not_in(_FINAL),
                _jobs.c.lease_until.is_not(None),
                _jobs.c.finalizer_due,
            ),
        )
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(_jobs.c.id)).scalars())

    def erase_jobs(self, owner: str, *, limit: int) -> tuple[list[JobId], list[str]]:
        """Erase so many of the owner's jobs. Returns their ids and the keys of their artifacts,
        which the caller removes."""
        with self._database.write() as connection:
            chosen = connection.execute(
                select(_jobs.c.id).where(_jobs.c.owner == owner).limit(limit)
            )
            ids = list(chosen.scalars())
            keys = connection.execute(
                select(_artifacts.c.key).where(_artifacts.c.job_id.in_(ids))
            ).scalars()
            found = list(keys)
            connection.execute(delete(_jobs).where(_jobs.c.id.in_(ids)))
        return ids, found

    def erase_uploads(self, owner: str, *, limit: int) -> list[str]:
        """Erase so many of the owner's uploads. Returns the keys of their objects."""
        with self._database.write() as connection:
            chosen = select(_uploads.c.id).where(_uploads.c.owner == owner).limit(limit)
            gone = connection.execute(
                delete(_uploads).where(_uploads.c.id.in_(chosen)).returning(_uploads.c.key)
            )
            return list(gone.scalars())

    def erase_rest(self, owner: str) -> None:
        """Erase sources, crawled pages, notifications, disabled webhooks and archived videos."""
        mine = ownership.job_scope(owner).own_name("")
        sources = select(_sources.c.id).where(_sources.c.owner == owner)
        with self._database.write() as connection:
            connection.execute(delete(schema.pages).where(schema.pages.c.source_id.in_(sources)))
            for table in (_sources, schema.notifications):
                connection.execute(delete(table).where(table.c.owner == owner))
            for table, column in ((_disabled, _disabled.c.url), (_archive, _archive.c.key)):
                connection.execute(delete(table).where(column.startswith(mine, autoescape=True)))

    def erase_keys(self, owner: str) -> None:
        """Erase the owner's API keys, so that nothing new is made with them."""
        with self._database.write() as connection:
            connection.execute(delete(schema.api_keys).where(schema.api_keys.c.owner == owner))


def _by_owner(connection: Connection, query: Select[str, int]) -> dict[str, int]:
    owner = query.selected_columns[0]
    return {row[0]: int(row[1] or 0) for row in connection.execute(query.group_by(owner))}
