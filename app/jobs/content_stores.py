"""What stages and routes keep beside jobs, each opened when it is first used."""

from functools import cached_property
from typing import Protocol, runtime_checkable

from app.jobs.store.job_retention import RetentionStore
from app.jobs.store.job_statistics import JobStatistics
from app.jobs.store.owned_data import OwnedDataStore
from app.settings import DatabaseSettings, FileSettings
from app.storage.audit_log import AuditLog
from app.storage.chunks import ChunkStore, SqlChunkStore
from app.storage.crawled_pages import PageStore
from app.storage.engine import Database
from app.storage.notification_store import NotificationStore
from app.storage.objects import ArtifactStore
from app.storage.sources import SourceStore
from app.storage.statistics import Statistics
from app.storage.uploads import UploadStore
from app.storage.video_archive import VideoArchive
from app.storage.webhooks import DisabledWebhooks


@runtime_checkable
class Closable(Protocol):
    """A store that holds connections."""

    def close(self) -> None:
        """Give them back."""


class Stores:
    """Stores by what they hold."""

    def __init__(
        self, database: Database, *, settings: DatabaseSettings, files: FileSettings
    ) -> None:
        self._database = database
        self._mongodb_url = settings.mongodb_url
        self._files = files

    def close(self) -> None:
        """Close those that hold connections. They open again when they are used again."""
        chunks = vars(self).get("chunks")
        self.forget()
        if isinstance(chunks, Closable):
            chunks.close()

    def forget(self) -> None:
        """After a fork: leave the open ones to the parent."""
        for name in (*vars(self),):
            if not name.startswith("_"):
                del vars(self)[name]

    @cached_property
    def artifacts(self) -> ArtifactStore:
        return ArtifactStore.open(folder=self._files.storage_dir, url=self._files.storage_url)

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(self._database)

    @cached_property
    def uploads(self) -> UploadStore:
        return UploadStore(self._database, self.artifacts)

    @cached_property
    def chunks(self) -> ChunkStore:
        if self._mongodb_url is None:
            return SqlChunkStore(self._database)
        from app.storage.mongo_chunks import MongoChunkStore  # a driver that few need

        return MongoChunkStore(self._mongodb_url.get_secret_value())

    @cached_property
    def sources(self) -> SourceStore:
        return SourceStore(self._database)

    @cached_property
    def pages(self) -> PageStore:
        return PageStore(self._database)

    @cached_property
    def video_archive(self) -> VideoArchive:
        return VideoArchive(self._database)

    @cached_property
    def notifications(self) -> NotificationStore:
        return NotificationStore(self._database)

    @cached_property
    def disabled_webhooks(self) -> DisabledWebhooks:
        return DisabledWebhooks(self._database)

    @cached_property
    def retention(self) -> RetentionStore:
        return RetentionStore(self._database)

    @cached_property
    def owned_data(self) -> OwnedDataStore:
        return OwnedDataStore(self._database)

    @cached_property
    def job_statistics(self) -> JobStatistics:
        return JobStatistics(self._database)

    @cached_property
    def statistics(self) -> Statistics:
        return Statistics(self._database)
