"""Hands queued jobs to whoever runs them: the broker, or this process itself.

Composition chooses between the two. A row that the broker did not take is marked so, and the
reconciler publishes it: no client waits for Redis.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from app.broker.connections import connection
from app.errors import BrokerUnreachable, StorageUnavailable
from app.jobs.model import ticket
from app.jobs.model.job import Job, JobId, JsonObject
from app.jobs.model.pipeline import Pipeline, Registry
from app.jobs.model.ticket import Ticket
from app.queues import QueueName

logger = logging.getLogger(__name__)

BATCH = 500

Producer = Any  # kombu's, which has no types


class Dispatcher(Protocol):
    """Starts what rows say."""

    def dispatch(self, jobs: Sequence[Job]) -> bool:
        """Start the present stage of queued jobs; whether all of them were taken."""

    def dispatch_finalizer(self, job: Job) -> bool:
        """Start the finalizer of the job's pipeline; whether it was taken."""

    def as_dispatched(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """The jobs as they stand after `dispatch`."""

    def call_task(
        self,
        task: str,
        args: Sequence[Any],
        kwargs: JsonObject,
        *,
        task_id: str,
        queue: str | None,
    ) -> None:
        """Call a plain Celery task, which has no row. Raises BrokerUnreachable."""


class Unpublished(Protocol):
    """Records which jobs the broker did not take."""

    def unpublish(self, jobs: Sequence[Job]) -> None:
        """Leave them to the reconciler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A stage or finalizer of one job, as Celery calls it."""

    task: str
    args: Sequence[Any]  # JSON values
    kwargs: JsonObject
    options: dict[str, Any]  # of several types


class BrokerDispatcher:
    """Publishes each stage as one Celery message."""

    def __init__(
        self,
        celery: Celery,
        registry: Registry,
        *,
        unpublished: Unpublished,
        is_broker_silent: Callable[[], bool],
    ) -> None:
        self._celery = celery
        self._registry = registry
        self._unpublished = unpublished
        self._is_broker_silent = is_broker_silent

    def dispatch(self, jobs: Sequence[Job]) -> bool:
        """Publish them, many in few round trips. When the broker fails half-way, the reconciler
        publishes all of them: a second message has no effect."""
        if len(jobs) == 1:
            return self._try(jobs, lambda: self._send(_stage_call(self._registry, jobs[0])))
        return self._try(jobs, lambda: self._send_many(jobs))

    def dispatch_finalizer(self, job: Job) -> bool:
        """Publish the finalizer."""
        call = _finalizer_call(self._registry, job)
        return call is None or self._try([job], lambda: self._send(call))

    def as_dispatched(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """As they are: they wait for a worker."""
        return tuple(jobs)

    def call_task(
        self,
        task: str,
        args: Sequence[Any],
        kwargs: JsonObject,
        *,
        task_id: str,
        queue: str | None,
    ) -> None:
        """Publish it without a priority, so that it is in the one list of its queue that workers of
        any other application read too."""
        options = {"task_id": task_id, "queue": queue, "add_to_parent": False}
        with _translated(self._celery):
            self._celery.send_task(task, args, kwargs, **options)

    def _send(self, call: _Call, *, producer: Producer = None) -> None:
        with _translated(self._celery):
            self._celery.send_task(
                call.task, call.args, call.kwargs, producer=producer, **call.options
            )

    def _send_many(self, jobs: Sequence[Job]) -> None:
        with self._producer() as producer, producer.batch(BATCH):
            for job in jobs:
                self._send(_stage_call(self._registry, job), producer=producer)

    def _try(self, jobs: Sequence[Job], publish: Callable[[], None]) -> bool:
        if self._is_broker_silent():  # no client waits for a second time-out
            self._leave(jobs, reason="no answer a moment ago")
            return False
        try:
            publish()
        except BrokerUnreachable as error:
            self._leave(jobs, reason=str(error))
            return False
        return True

    def _leave(self, jobs: Sequence[Job], *, reason: str) -> None:
        about = {"jobs": len(jobs), "first_job_id": jobs[0].id, "reason": reason}
        logger.warning("jobs are published later: the broker did not take them", extra=about)
        try:
            self._unpublished.unpublish(jobs)
        except StorageUnavailable as error:
            logger.warning("jobs will be looked for in the broker", extra={"reason": str(error)})

    @contextmanager
    def _producer(self) -> Iterator[Producer]:
        with _translated(self._celery), self._celery.producer_pool.acquire(block=True) as producer:
            yield producer


class EagerDispatcher:
    """Runs each stage at once, in this thread (`CELERY_TASK_ALWAYS_EAGER`)."""

    def __init__(
        self, celery: Celery, registry: Registry, *, find: Callable[[Sequence[JobId]], list[Job]]
    ) -> None:
        self._celery = celery
        self._registry = registry
        self._find = find

    def dispatch(self, jobs: Sequence[Job]) -> bool:
        """Run them, one after the other."""
        for job in jobs:
            self._run(_stage_call(self._registry, job))
        return True

    def dispatch_finalizer(self, job: Job) -> bool:
        """Run the finalizer."""
        call = _finalizer_call(self._registry, job)
        if call is not None:
            self._run(call)
        return True

    def as_dispatched(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """Read again: they have run."""
        found = {job.id: job for job in self._find([job.id for job in jobs])}
        return tuple(found[job.id] for job in jobs)

    def call_task(
        self,
        task: str,
        args: Sequence[Any],
        kwargs: JsonObject,
        *,
        task_id: str,
        queue: str | None,
    ) -> None:
        """Run it when this application has it; publish a task of another application."""
        self._celery.loader.import_default_modules()
        options = {"task_id": task_id, "queue": queue, "add_to_parent": False}
        known = self._celery.tasks.get(task)
        if known is not None:
            known.apply_async(args, kwargs, **options)
            return
        with _translated(self._celery):
            self._celery.send_task(task, args, kwargs, **options)

    def _run(self, call: _Call) -> None:
        self._celery.loader.import_default_modules()
        self._celery.tasks[call.task].apply_async(call.args, call.kwargs, **call.options)


def call_of(job: Job, pipeline: Pipeline) -> tuple[tuple[Any, ...], JsonObject]:
    """How the job's present stage is called: the first one with the parameters, each further one
    with what the stage before returned, as in a Celery chain."""
    if pipeline.position(job.stage) == 0:
        return (), job.params
    return (job.stage_input,), {}


def _stage_call(registry: Registry, job: Job) -> _Call:
    pipeline = registry[job.pipeline]
    args, kwargs = call_of(job, pipeline)
    return _call(ticket.stage_ticket(job), job, pipeline.stage(job.stage).queue, args, kwargs)


def _finalizer_call(registry: Registry, job: Job) -> _Call | None:
    finalizer = registry[job.pipeline].finalizer
    if finalizer is None:
        return None
    own = ticket.finalizer_ticket(job, task=finalizer.task)
    return _call(own, job, finalizer.queue, (job.id,), {})


def _call(
    own: Ticket, job: Job, queue: QueueName, args: Sequence[Any], kwargs: JsonObject
) -> _Call:
    options = {
        "task_id": own.task_id,
        "root_id": job.id,
        "headers": own.headers,
        "queue": queue,
        "priority": job.priority,
        "declare": [],  # a queue on the default exchange needs none, and it takes its time
        "ignore_result": True,  # the row has it
        "add_to_parent": False,
    }
    return _Call(task=own.stage, args=args, kwargs=kwargs, options=options)


@contextmanager
def _translated(celery: Celery) -> Iterator[None]:
    try:
        yield
    except (OperationalError, KombuError, RedisError, OSError) as error:
        host = celery.connection_for_write().as_uri()  # without its password
        raise connection.translated(error, host=host) from error
