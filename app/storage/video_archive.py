"""The archive of videos that were processed, and the jobs that did it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import delete, insert, or_, select

from app.storage import ownership, schema
from app.storage.engine import Database

_archive = schema.video_archive
_jobs = schema.jobs

BATCH = 500
"""Keys in one query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A video that was processed, under one of its keys."""

    key: str
    video_id: str
    job_id: str | None
    """None when it was processed as plain Celery."""


class VideoArchive:
    """Processed videos by keys, which contain the video and its options."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, keys: Collection[str], *, video_id: str, job_id: str | None) -> None:
        """Store the video under each key, replacing former entries."""
        values = {"video_id": video_id, "job_id": job_id, "created_at": datetime.now(UTC)}
        with self._database.write() as connection:
            stored = sorted(map(ownership.current().own_name, keys))
            connection.execute(delete(_archive).where(_archive.c.key.in_(stored)))
            connection.execute(insert(_archive), [{"key": key, **values} for key in stored])

    def find(self, keys: Sequence[str]) -> dict[str, Archived]:
        """The entries of these keys whose jobs have succeeded and still exist."""
        found: dict[str, Archived] = {}
        for start in range(0, len(keys), BATCH):
            found |= self._find(keys[start : start + BATCH])
        return found

    def _find(self, keys: Sequence[str]) -> dict[str, Archived]:
        succeeded = select(_jobs.c.id).where(
            _jobs.c.id == _archive.c.job_id, _jobs.c.state == "succeeded"
        )
        stored = list(map(ownership.current().own_name, keys))
        query = select(_archive.c.key, _archive.c.video_id, _archive.c.job_id).where(
            _archive.c.key.in_(stored), or_(_archive.c.job_id.is_(None), succeeded.exists())
        )
        with self._database.read() as connection:
            found = (Archived(**row._mapping) for row in connection.execute(query))
            return {(key := ownership.plain_name(one.key)): replace(one, key=key) for one in found}
