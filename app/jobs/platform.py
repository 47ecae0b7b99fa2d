"""Puts the parts of one process together: the only place that knows all of them."""

import os
import random
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from celery import Celery

from app import queues
from app.access.owner_quotas import OwnerQuotas
from app.broker.connections import address, redis_clients
from app.broker.queues import held_messages
from app.broker.queues.fair_queues import FairQueues, Share
from app.broker.quotas import QuotaCounters
from app.errors import CeleriacError, StorageUnavailable
from app.jobs.content_stores import Stores
from app.jobs.maintenance import job_schedules
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.maintenance.reconciler import Intervals, Reconciler
from app.jobs.maintenance.running_slots import RunningSlots
from app.jobs.maintenance.scheduler import Scheduler
from app.jobs.model import time_limits
from app.jobs.model.clock import Clock
from app.jobs.model.job import Job
from app.jobs.model.job_trace import TraceRules
from app.jobs.model.pipeline import Registry, Stage
from app.jobs.model.retry import Policy
from app.jobs.model.signing import MessageSigner
from app.jobs.model.time_limits import TimeLimits
from app.jobs.publish.dispatcher import Dispatcher
from app.jobs.publish.job_events import EventWriter
from app.jobs.publish.job_lifecycle import Lifecycle
from app.jobs.publish.refusals import Refusals
from app.jobs.publish.senders import BrokerSender, EagerSender, FairSender, Sender
from app.jobs.run.lease_renewal import LeaseRenewer
from app.jobs.run.stage_run import RunParts
from app.jobs.run.stage_runner import StageRunner
from app.jobs.run.stage_work import StageParts
from app.jobs.service import Jobs, SubmitRules
from app.jobs.store.children import ChildStore
from app.jobs.store.due_jobs import DueJobStore
from app.jobs.store.job_store import JobStore
from app.jobs.store.leases import LeaseStore
from app.jobs.store.state_machine import StateMachine
from app.jobs.store.traced_jobs import TracedJobStore
from app.settings import Settings
from app.storage.engine import Database
from app.storage.owner_limits import OwnerLimitStore
from app.worker import processors

if TYPE_CHECKING:
    from app.jobs.maintenance.trace_export import TraceExport

_ATTRIBUTE = "celeriac_platform"

_alive: "weakref.WeakSet[Platform]" = weakref.WeakSet()


class NoPlatform(CeleriacError):
    """A Celery application that `app.celery_app` did not make."""


class Platform:
    """The parts of one process, safe to use from many threads.

    Nothing connects before it is used. A forked child opens connections of its own.
    """

    def __init__(
        self, *, settings: Settings, registry: Registry, celery: Celery, clock: Clock | None = None
    ) -> None:
        self._clock = clock if clock is not None else Clock()
        self.settings = settings
        self.celery = celery
        self.slots = 1
        """Tasks that this process runs at once, at most."""
        database = settings.database
        self.database = Database(database.url.get_secret_value(), pool_size=database.pool_size)
        self.stores = Stores(self.database, settings=database, files=settings.files)
        self._job_store = JobStore(self.database)
        self._children = ChildStore(self.database)
        self._due_jobs = DueJobStore(self.database)
        self.redis = redis_clients.open_client(address.address_of(settings.broker))
        self.fair_queues = FairQueues(self.redis)
        self.quotas = self._build_quotas()
        jobs = settings.jobs
        self.events = EventWriter(
            self.redis, length=jobs.events_length, expire_s=jobs.events_expire_s
        )
        self._mode = self._find_mode(registry)
        self.registry = self._mode.registry
        messages = settings.messages
        self.signer = MessageSigner([key.get_secret_value() for key in messages.keys])
        self.refusals = Refusals(self.redis)
        self.policy = Policy(
            base_s=jobs.retry_base_s,
            max_s=jobs.retry_max_s,
            max_deliveries=jobs.max_deliveries,
            pauses=self._mode.pauses,
        )
        self.dispatcher = Dispatcher(
            self._mode.sender,
            self.registry,
            signer=self.signer,
            unpublished=self._due_jobs,
            is_broker_silent=self._mode.is_broker_silent,
        )
        self.lifecycle = Lifecycle(
            machine=StateMachine(self.database),
            events=self.events,
            dispatcher=self.dispatcher,
            find_jobs=self._job_store.find_many,
            registry=self.registry,
            clock=self._clock,
        )
        self.jobs = self._build_jobs()
        leases = LeaseStore(self.database)
        self._renewer = LeaseRenewer(leases, lease_s=jobs.lease_s, clock=self._clock)
        self.runner = self._build_runner(leases)
        _alive.add(self)

    @classmethod
    def open(
        cls, *, settings: Settings, registry: Registry, celery: Celery, clock: Clock | None = None
    ) -> "Platform":
        """The platform of a Celery application, which `of` finds."""
        platform = cls(settings=settings, registry=registry, celery=celery, clock=clock)
        setattr(celery, _ATTRIBUTE, platform)
        return platform

    @cached_property
    def schedules(self) -> tuple[Scheduled, ...]:
        """The schedules in force. Raises InvalidInput for a setting that cannot be used."""
        return job_schedules.in_force(self.registry, self.settings.schedules.schedules)

    @property
    def driver_modules(self) -> tuple[str, ...]:
        """What stores import when they are first used."""
        url = self.settings.database.mongodb_url
        return () if url is None else ("app.storage.mongo_chunks",)

    def reconciler(self) -> Reconciler:
        """Repairs what no running process handles."""
        jobs = self.settings.jobs
        return Reconciler(
            due_jobs=self._due_jobs,
            children=self._children,
            lifecycle=self.lifecycle,
            dispatcher=self.dispatcher,
            events=self.events,
            find_held=lambda names, since_s: held_messages.task_ids(
                self.redis, names, fetched_after_s=since_s
            ),
            running_slots=RunningSlots(self.fair_queues, self._due_jobs),
            registry=self.registry,
            policy=self.policy,
            intervals=Intervals(
                tick_s=jobs.reconcile_interval_s,
                lease_s=jobs.lease_s,
                publish_grace_s=jobs.publish_grace_s,
            ),
            liveness_file=self.settings.worker.liveness_file,
            beside=Scheduler(self.jobs, self.schedules, clock=self._clock),
            clock=self._clock,
        )

    def trace_export(self) -> "TraceExport":
        """Exports the spans of this platform's jobs."""
        from app.jobs.maintenance import trace_export  # 60 ms, for those who trace

        return trace_export.open_export(TracedJobStore(self.database), self.registry)

    def start_beat_threads(self) -> None:
        """Start what beat runs beside its own schedule."""
        self.reconciler().start()
        if self.settings.telemetry.is_on:
            self.trace_export().start()

    def _find_mode(self, registry: Registry) -> "_Mode":
        if self.celery.conf.task_always_eager:
            return _run_at_once(self.celery, registry, self._job_store)
        if not self.settings.jobs.fair_shares:
            return _run_by_workers(BrokerSender(self.celery), registry, self.events)
        sender = FairSender(self.celery, self.fair_queues, share_of=self._share_of)
        return _run_by_workers(sender, registry, self.events)

    def _share_of(self, owner: str) -> Share:
        try:
            limits = self.quotas.limits.of(owner)
        except StorageUnavailable:  # the job is stored already: no reason to leave it
            limits = self.quotas.limits.defaults
        return Share(owner=owner, weight=limits.weight, most_running=limits.running_jobs)

    def _build_quotas(self) -> OwnerQuotas:
        owned = self.stores.owned_data
        limits = OwnerLimitStore(self.database, defaults=self.settings.owner_limits.defaults)
        return OwnerQuotas(
            limits,
            QuotaCounters(self.redis),
            stored_bytes=owned.stored_bytes,
            unfinished_jobs=owned.unfinished_count,
            running_jobs=owned.running_count,
        )

    def _build_jobs(self) -> Jobs:
        telemetry = self.settings.telemetry
        return Jobs(
            store=self._job_store,
            children=self._children,
            lifecycle=self.lifecycle,
            dispatcher=self.dispatcher,
            events=self.events,
            registry=self.registry,
            rules=SubmitRules(
                max_attempts=self.settings.jobs.max_attempts,
                signs_webhooks=bool(self.settings.notify.webhook_secrets),
                callback_tasks=self.settings.notify.callback_tasks,
            ),
            as_submitted=self._mode.as_submitted,
            traces=TraceRules(
                is_on=telemetry.is_on,
                ratio=telemetry.ratio,
                links_children=telemetry.children == "link",
            ),
            quotas=self.quotas,
            clock=self._clock,
        )

    def _build_runner(self, leases: LeaseStore) -> StageRunner:
        parts = RunParts(
            lifecycle=self.lifecycle,
            leases=leases,
            renewal=self._renewer,
            tell_progress=self.events.progress,
            registry=self.registry,
            policy=self.policy,
            limits=self._limits,
            lease_s=self.settings.jobs.lease_s,
            rng=random.random,
            clock=self._clock,
            stage=StageParts(
                settings=self.settings,
                stores=self.stores,
                jobs=self.jobs,
                redis=self.redis,
                threads=lambda: self.threads,
                clock=self._clock,
            ),
        )
        return StageRunner(parts, renewer=self._renewer, find_job=self._job_store.find)

    def close(self) -> None:
        """Close what is open. It opens again when it is used again."""
        self._renewer.close()
        self.stores.close()
        self.redis.close()
        self.database.close()

    def forget(self) -> None:
        """After a fork: leave to the parent what it has open."""
        self._renewer.forget()
        self.stores.forget()
        self.database.forget()

    @property
    def threads(self) -> int:
        """Threads that the child process of one task may have, so that all tasks together keep to
        the processors of their pool."""
        return processors.threads_per_slot(processors=processors.available(), slots=self.slots)

    def _limits(self, stage: Stage | None) -> TimeLimits:
        queue = stage.queue if stage is not None else queues.DEFAULT_QUEUE.name
        return time_limits.of_queue(
            queue, queues=self.registry.queues, settings=self.settings.worker.time_limits
        )


def of(celery: Celery) -> Platform:
    """The platform of a Celery application of ours. Raises NoPlatform."""
    platform = getattr(celery, _ATTRIBUTE, None)
    if not isinstance(platform, Platform):
        raise NoPlatform("this Celery application was not made by app.celery_app.create")
    return platform


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mode:
    """How stages start."""

    sender: Sender
    registry: Registry
    is_broker_silent: Callable[[], bool]
    pauses: bool
    """Whether a failed stage waits before its next run."""
    as_submitted: Callable[[Sequence[Job]], tuple[Job, ...]]
    """The jobs as they are when they have been submitted."""


def _run_by_workers(sender: Sender, registry: Registry, events: EventWriter) -> _Mode:
    return _Mode(
        sender=sender,
        registry=registry,
        is_broker_silent=lambda: events.is_quiet,
        pauses=True,
        as_submitted=tuple,
    )


def _run_at_once(celery: Celery, registry: Registry, jobs: JobStore) -> _Mode:
    """In the thread that submits (`CELERY_TASK_ALWAYS_EAGER`): children have ended when they are
    submitted, so that no stage waits for them."""
    pipelines = [
        replace(pipeline, stages=tuple(map(_without_waiting, pipeline.stages)))
        for pipeline in registry.values()
    ]

    def read_again(submitted: Sequence[Job]) -> tuple[Job, ...]:
        found = {job.id: job for job in jobs.find_many([job.id for job in submitted])}
        return tuple(found[job.id] for job in submitted)

    return _Mode(
        sender=EagerSender(celery),
        registry=Registry(pipelines),
        is_broker_silent=lambda: False,
        pauses=False,
        as_submitted=read_again,
    )


def _without_waiting(stage: Stage) -> Stage:
    return replace(stage, after_children=False) if stage.after_children else stage


def _forget_all() -> None:
    for platform in _alive:
        platform.forget()


os.register_at_fork(after_in_child=_forget_all)
