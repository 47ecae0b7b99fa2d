"""Uploads: files from clients, as input for jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, select

from app.errors import NotFound, QuotaExceeded
from app.storage import ownership, schema
from app.storage.engine import Database
from app.storage.objects import ArtifactStore

_uploads = schema.uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that a client sent."""

    id: str
    owner: str
    filename: str
    """The client's name for it, never used as a path."""
    media_type: str
    size_bytes: int
    sha256: str
    key: str
    """Its key in the artifact store."""
    created_at: datetime


class UploadStore:
    """Uploads by id: a row here, the bytes in the artifact store."""

    def __init__(self, database: Database, objects: ArtifactStore) -> None:
        self._database = database
        self._objects = objects

    def add(
        self,
        path: Path,
        *,
        filename: str,
        media_type: str,
        check_size: Callable[[Connection, int], None] | None = None,
    ) -> Upload:
        """Store a copy of the file. The bytes are stored before the row, so no row lacks them.
        Raises what `check_size` raises, which is called in the transaction, for one
        upload of an owner at a time."""
        upload_id = str(uuid_utils.uuid7())
        stored = self._objects.save(path, key=f"uploads/{upload_id}")
        row: dict[str, Any] = {
            "id": upload_id,
            "owner": ownership.current().owner,
            "filename": filename,
            "media_type": media_type,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "key": stored.key,
            "created_at": datetime.now(UTC),
        }
        try:
            with self._database.write() as connection:
                if check_size is not None:
                    ownership.lock(connection, row["owner"])
                    check_size(connection, stored.size_bytes)
                found = connection.execute(insert(_uploads).values(row).returning(_uploads)).one()
        except QuotaExceeded:
            self._objects.delete(stored.key)
            raise
        return _upload(found)

    def get(self, upload_id: str) -> Upload:
        """Raises NotFound."""
        with self._database.read() as connection:
            found = connection.execute(
                select(_uploads).where(_uploads.c.id == upload_id, ownership.visible(_uploads))
            ).one_or_none()
        if found is None:
            raise NotFound(f"no upload {upload_id!r}")
        return _upload(found)

    def fetch(self, upload_id: str, to: Path) -> Path:
        """Write the upload's bytes to a file; return it. Raises NotFound."""
        return self._objects.fetch(self.get(upload_id).key, to)

    def delete(self, upload_id: str) -> None:
        """Remove row and bytes, if they exist."""
        with self._database.write() as connection:
            key = connection.execute(
                delete(_uploads)
                .where(_uploads.c.id == upload_id, ownership.visible(_uploads))
                .returning(_uploads.c.key)
            ).scalar_one_or_none()
        if key is not None:
            self._objects.delete(key)


def _upload(row: Row[Any]) -> Upload:  # one row of the table, whose columns differ in type
    return Upload(**row._mapping)
