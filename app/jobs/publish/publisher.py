"""Hands jobs to the broker: the present stage of each as one Celery message."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from app.broker.connections import connection
from app.jobs.model import ticket
from app.jobs.model.job import Job
from app.jobs.model.pipeline import Pipeline, Registry
from app.jobs.model.ticket import Ticket
from app.queues import QueueName

BATCH = 500


class Publisher:
    """Publishes what rows say. Raises BrokerUnreachable; the rows stay as they are then."""

    def __init__(self, celery: Celery, registry: Registry) -> None:
        self._celery = celery
        self._registry = registry

    @property
    def is_eager(self) -> bool:
        """Whether publishing runs the job at once, in this process (`CELERY_TASK_ALWAYS_EAGER`)."""
        return bool(self._celery.conf.task_always_eager)

    def publish(self, job: Job) -> None:
        """Publish the job's present stage."""
        self._publish_stage(job)

    def publish_many(self, jobs: Sequence[Job]) -> None:
        """Publish many in few round trips. When it raises, some may have been published."""
        with self._producer() as producer, producer.batch(BATCH):
            for job in jobs:
                self._publish_stage(job, producer=producer)

    def publish_finalizer(self, job: Job) -> None:
        """Publish the finalizer of the job's pipeline."""
        finalizer = self._registry[job.pipeline].finalizer
        if finalizer is not None:
            own = ticket.finalizer_ticket(job, task=finalizer.task)
            self._send(own, job, finalizer.queue, (job.id,), {})

    def publish_task(
        self,
        task: str,
        args: Sequence[Any],  # JSON values
        kwargs: dict[str, Any],
        *,
        task_id: str,
        queue: str | None,
    ) -> None:
        """Publish a plain Celery task, which has no row. It has no priority, so that it is in the
        one list of its queue that workers of any other application read too."""
        options = {"task_id": task_id, "queue": queue, "add_to_parent": False}
        if self.is_eager:
            self._celery.loader.import_default_modules()
            if task in self._celery.tasks:
                self._celery.tasks[task].apply_async(args, kwargs, **options)
                return
        with self._translated():
            self._celery.send_task(task, args, kwargs, **options)

    def _publish_stage(self, job: Job, *, producer: Any = None) -> None:  # a producer of kombu's
        pipeline = self._registry[job.pipeline]
        args, kwargs = call_of(job, pipeline)
        queue = pipeline.stage(job.stage).queue
        self._send(ticket.stage_ticket(job), job, queue, args, kwargs, producer=producer)

    def _send(
        self,
        own: Ticket,
        job: Job,
        queue: QueueName,
        args: Sequence[Any],  # JSON values
        kwargs: dict[str, Any],
        *,
        producer: Any = None,  # a producer of kombu's
    ) -> None:
        options = {
            "task_id": own.task_id,
            "root_id": job.id,
            "headers": own.headers,
            "queue": queue,
            "priority": job.priority,
            "declare": [],  # a queue on the default exchange needs none, and it takes its time
            "ignore_result": True,  # the row has it
            "add_to_parent": False,
            "producer": producer,
        }
        if self.is_eager:
            self._celery.loader.import_default_modules()
            self._celery.tasks[own.stage].apply_async(args, kwargs, **options)
            return
        with self._translated():
            self._celery.send_task(own.stage, args, kwargs, **options)

    @contextmanager
    def _producer(self) -> Iterator[Any]:  # a producer of kombu's
        with self._translated(), self._celery.producer_pool.acquire(block=True) as producer:
            yield producer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, KombuError, RedisError, OSError) as error:
            host = self._celery.connection_for_write().as_uri()  # without its password
            raise connection.translated(error, host=host) from error


def call_of(job: Job, pipeline: Pipeline) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How the job's present stage is called: the first one with the parameters, each further one
    with what the stage before returned, as in a Celery chain."""
    if pipeline.position(job.stage) == 0:
        return (), job.params
    return (job.stage_input,), {}
