"""Sources: documents and pages that a bot knows, each with the state of its processing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update

from app.errors import Conflict, InvalidInput, NotFound
from app.storage import ownership, schema
from app.storage.engine import Database

_sources = schema.sources


class SourceStatus(StrEnum):
    """The state of a source."""

    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document or page of a bot."""

    id: str
    owner: str
    chatbot_id: str
    filename: str
    status: SourceStatus
    error: str | None
    job_id: str | None
    content_sha256: str | None
    created_at: datetime
    updated_at: datetime


class SourceStore:
    """Sources by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        *,
        chatbot_id: str,
        filename: str,
        source_id: str | None = None,
        job_id: str | None = None,
    ) -> Source:
        """A new source that is being processed. Conflict when the id is taken."""
        now = datetime.now(UTC)
        row = {
            "id": source_id if source_id is not None else str(uuid_utils.uuid7()),
            "owner": ownership.current().owner,
            "chatbot_id": chatbot_id,
            "filename": filename,
            "status": SourceStatus.PROCESSING.value,
            "job_id": job_id,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.write() as connection:
            found = connection.execute(insert(_sources).values(row).returning(_sources)).one()
        return _source(found)

    def ensure(
        self, source_id: str, *, chatbot_id: str, filename: str, job_id: str | None = None
    ) -> Source:
        """Get the source with this id, in processing, or create it: tasks may be called without an
        existing source. Raises InvalidInput when another owner has the id."""
        with self._database.write() as connection:
            found = connection.execute(
                update(_sources)
                .where(_is(source_id))
                .values(
                    status=SourceStatus.PROCESSING.value,
                    error=None,
                    job_id=job_id,
                    updated_at=datetime.now(UTC),
                )
                .returning(_sources)
            ).one_or_none()
        if found is not None:
            return _source(found)
        try:
            return self.create(
                chatbot_id=chatbot_id, filename=filename, source_id=source_id, job_id=job_id
            )
        except Conflict:
            raise InvalidInput(f"the source id {source_id!r} is taken") from None

    def find(self, source_id: str) -> Source | None:
        with self._database.read() as connection:
            found = connection.execute(select(_sources).where(_is(source_id))).one_or_none()
        return None if found is None else _source(found)

    def get(self, source_id: str) -> Source:
        """Raises NotFound."""
        found = self.find(source_id)
        if found is None:
            raise NotFound(f"no source {source_id!r}")
        return found

    def by_id(self, source_ids: Collection[str]) -> dict[str, Source]:
        """The existing ones among them, by id."""
        with self._database.read() as connection:
            found = connection.execute(
                select(_sources).where(_sources.c.id.in_(source_ids), ownership.visible(_sources))
            )
            return {row.id: _source(row) for row in found}

    def mark_ready(self, source_id: str, *, content_sha256: str | None = None) -> Source:
        """Mark it as processed. Raises NotFound."""
        return self._mark(
            source_id,
            status=SourceStatus.READY.value,
            error=None,
            content_sha256=content_sha256,
        )

    def mark_failed(self, source_id: str, *, error: str) -> Source:
        """Mark it as failed; `error` is for people. Raises NotFound."""
        return self._mark(source_id, status=SourceStatus.FAILED.value, error=error)

    def attach_job(self, source_id: str, *, job_id: str) -> Source:
        """Store which job processes it. Raises NotFound."""
        return self._mark(source_id, job_id=job_id)

    def delete(self, source_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_sources).where(_is(source_id)))

    def _mark(self, source_id: str, **values: Any) -> Source:  # columns of several types
        with self._database.write() as connection:
            found = connection.execute(
                update(_sources)
                .where(_is(source_id))
                .values(**values, updated_at=datetime.now(UTC))
                .returning(_sources)
            ).one_or_none()
        if found is None:
            raise NotFound(f"no source {source_id!r}")
        return _source(found)


def _is(source_id: str) -> ColumnElement[bool]:
    return and_(_sources.c.id == source_id, ownership.visible(_sources))


def _source(row: Row[Any]) -> Source:  # one row of the table, whose columns differ in type
    values = dict(row._mapping)
    return Source(**{**values, "status": SourceStatus(values["status"])})
