"""What every process of ours has, opened when first used."""

import os
import threading
import weakref
from collections.abc import Callable
from functools import cached_property
from typing import Protocol, TypeVar, runtime_checkable

import redis
from celery import Celery

from app.broker.connections import address, redis_clients
from app.errors import CeleriacError
from app.jobs.maintenance import job_schedules
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model import retry
from app.jobs.model.pipeline import Registry
from app.jobs.publish.job_events import EventWriter
from app.jobs.publish.publisher import Publisher
from app.jobs.run.lease_renewal import LeaseKeeper
from app.jobs.store.children import ChildStore
from app.jobs.store.claims import ClaimStore
from app.jobs.store.job_retention import RetentionStore
from app.jobs.store.job_store import JobStore
from app.jobs.store.upkeep import UpkeepStore
from app.settings import Settings
from app.storage.chunks import ChunkStore, SqlChunkStore
from app.storage.crawled_pages import PageStore
from app.storage.engine import Database
from app.storage.notification_store import NotificationStore
from app.storage.objects import ArtifactStore
from app.storage.sources import SourceStore
from app.storage.uploads import UploadStore
from app.storage.video_archive import VideoArchive
from app.storage.webhooks import DisabledWebhooks
from app.worker import processors

T = TypeVar("T")


@runtime_checkable
class Closable(Protocol):
    """A part that holds connections or threads."""

    def close(self) -> None:
        """Give them back."""


_ATTRIBUTE = "celeriac_platform"

_alive: "weakref.WeakSet[Platform]" = weakref.WeakSet()


class Platform:
    """Settings, stores and connections of one process.

    Safe to use from many threads. A forked child opens its own: it inherits no socket and no
    database connection in use.
    """

    def __init__(self, *, settings: Settings, registry: Registry, celery: Celery) -> None:
        self.settings = settings
        self.registry = registry
        self.celery = celery
        self.slots = 1
        """Tasks that run at once in this process and its children; a worker tells at its start."""
        self._lock = threading.RLock()
        self._opened: dict[str, object] = {}
        _alive.add(self)

    @classmethod
    def open(cls, *, settings: Settings, registry: Registry, celery: Celery) -> "Platform":
        """A platform that `of(celery)` finds."""
        platform = cls(settings=settings, registry=registry, celery=celery)
        setattr(celery, _ATTRIBUTE, platform)
        return platform

    @property
    def threads_per_slot(self) -> int:
        """Threads that the child process of one task may have, so that all tasks together keep to
        the processors of their pool."""
        return processors.threads_per_slot(processors=processors.available(), slots=self.slots)

    @cached_property
    def schedules(self) -> tuple[Scheduled, ...]:
        """The schedules in force. Raises InvalidInput for a setting that cannot be used."""
        given = self.settings.schedules.schedules
        return job_schedules.in_force(self.registry, given)

    @property
    def database(self) -> Database:
        group = self.settings.database
        return self.once(
            Database, lambda: Database(group.url.get_secret_value(), pool_size=group.pool_size)
        )

    @property
    def jobs(self) -> JobStore:
        return self.once(JobStore, lambda: JobStore(self.database))

    @property
    def children(self) -> ChildStore:
        return self.once(ChildStore, lambda: ChildStore(self.database))

    @property
    def claims(self) -> ClaimStore:
        return self.once(ClaimStore, lambda: ClaimStore(self.database))

    @property
    def upkeep(self) -> UpkeepStore:
        return self.once(UpkeepStore, lambda: UpkeepStore(self.database))

    @property
    def retention(self) -> RetentionStore:
        return self.once(RetentionStore, lambda: RetentionStore(self.database))

    @property
    def artifacts(self) -> ArtifactStore:
        files = self.settings.files
        return self.once(
            ArtifactStore,
            lambda: ArtifactStore.open(folder=files.storage_dir, url=files.storage_url),
        )

    @property
    def sources(self) -> SourceStore:
        return self.once(SourceStore, lambda: SourceStore(self.database))

    @property
    def driver_modules(self) -> tuple[str, ...]:
        """What stores import when they are first used (see `chunks`)."""
        url = self.settings.database.mongodb_url
        return () if url is None else ("app.storage.mongo_chunks",)

    @property
    def chunks(self) -> ChunkStore:
        url = self.settings.database.mongodb_url
        if url is None:
            return self.once(SqlChunkStore, lambda: SqlChunkStore(self.database))
        from app.storage.mongo_chunks import MongoChunkStore  # a driver that few need

        return self.once(MongoChunkStore, lambda: MongoChunkStore(url.get_secret_value()))

    @property
    def pages(self) -> PageStore:
        return self.once(PageStore, lambda: PageStore(self.database))

    @property
    def video_archive(self) -> VideoArchive:
        return self.once(VideoArchive, lambda: VideoArchive(self.database))

    @property
    def uploads(self) -> UploadStore:
        return self.once(UploadStore, lambda: UploadStore(self.database, self.artifacts))

    @property
    def notifications(self) -> NotificationStore:
        return self.once(NotificationStore, lambda: NotificationStore(self.database))

    @property
    def disabled_webhooks(self) -> DisabledWebhooks:
        return self.once(DisabledWebhooks, lambda: DisabledWebhooks(self.database))

    @property
    def redis(self) -> "redis.Redis":
        """The broker's server, for what is not a message."""
        group = self.settings.broker
        return self.once(redis.Redis, lambda: redis_clients.open_client(address.address_of(group)))

    @property
    def events(self) -> EventWriter:
        group = self.settings.jobs
        return self.once(
            EventWriter,
            lambda: EventWriter(
                self.redis, length=group.events_length, expire_s=group.events_expire_s
            ),
        )

    @property
    def publisher(self) -> Publisher:
        return self.once(Publisher, lambda: Publisher(self.celery, self.registry))

    @property
    def keeper(self) -> LeaseKeeper:
        return self.once(
            LeaseKeeper, lambda: LeaseKeeper(self.claims, lease_s=self.settings.jobs.lease_s)
        )

    @property
    def retry_policy(self) -> retry.Policy:
        group = self.settings.jobs
        return retry.Policy(
            base_s=group.retry_base_s,
            max_s=group.retry_max_s,
            max_deliveries=group.max_deliveries,
        )

    def close(self) -> None:
        """Close what was opened. It opens again when it is used again."""
        with self._lock:
            opened, self._opened = self._opened, {}
        # Those that were opened last use those from before.
        for part in reversed(opened.values()):
            if isinstance(part, Closable):
                part.close()

    def forget(self) -> None:
        """After a fork: leave to the parent what it has opened, and its locks."""
        opened, self._opened = self._opened, {}
        self._lock = threading.RLock()
        for part in opened.values():
            if isinstance(part, Database):
                part.forget()

    def once(self, kind: type[T], build: Callable[[], T]) -> T:
        """The one part of this kind, built when it is asked for first."""
        found = self._opened.get(kind.__name__)
        if found is None:
            with self._lock:
                found = self._opened.get(kind.__name__)
                if found is None:
                    found = self._opened[kind.__name__] = build()
        if not isinstance(found, kind):
            raise TypeError(f"{kind.__name__} was opened as {type(found).__name__}")
        return found


class NoPlatform(CeleriacError):
    """A Celery application that `app.celery_app` did not make."""


def of(celery: Celery) -> Platform:
    """The platform of a Celery application of ours. Raises NoPlatform."""
    platform = getattr(celery, _ATTRIBUTE, None)
    if not isinstance(platform, Platform):
        raise NoPlatform("this Celery application was not made by app.celery_app.create")
    return platform


def _forget_all() -> None:
    for platform in _alive:
        platform.forget()


os.register_at_fork(after_in_child=_forget_all)
