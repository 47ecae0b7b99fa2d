"""Starts the stages of queued jobs: through the broker, or at once in this process.

Composition chooses the sender.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from app.errors import BrokerUnreachable, StorageUnavailable
from app.jobs.model import ticket
from app.jobs.model.job import Job, JsonObject
from app.jobs.model.pipeline import Registry
from app.jobs.model.signing import MessageSigner
from app.jobs.model.ticket import Ticket
from app.jobs.publish.senders import Sender, TaskCall
from app.queues import QueueName

logger = logging.getLogger(__name__)


class Unpublished(Protocol):
    """Records which jobs the broker did not take (`store.due_jobs`)."""

    def unpublish(self, jobs: Sequence[Job]) -> None: ...


class Dispatcher:
    """Starts what rows say. A row that the broker did not take is marked so, and the reconciler
    publishes it: no client waits for Redis."""

    def __init__(
        self,
        sender: Sender,
        registry: Registry,
        *,
        signer: MessageSigner,
        unpublished: Unpublished,
        is_broker_silent: Callable[[], bool],
    ) -> None:
        self._sender = sender
        self._registry = registry
        self._signer = signer
        self._unpublished = unpublished
        self._is_broker_silent = is_broker_silent

    def dispatch(self, jobs: Sequence[Job]) -> bool:
        """Start the present stage of queued jobs; whether all of them were taken."""
        return self._try(jobs, [self._stage_call(job) for job in jobs])

    def dispatch_finalizer(self, job: Job) -> bool:
        """Start the finalizer of the job's pipeline; whether it was taken."""
        call = self._finalizer_call(job)
        return call is None or self._try([job], [call])

    def call_task(
        self,
        task: str,
        args: Sequence[Any],  # JSON values
        kwargs: JsonObject,
        *,
        task_id: str,
        queue: str | None,
    ) -> None:
        """Call a plain Celery task, which has no row. Without a priority it is in the one list of
        its queue that workers of any other application read too. Raises BrokerUnreachable."""
        options = {"task_id": task_id, "queue": queue, "add_to_parent": False}
        self._sender.send([TaskCall(task=task, args=args, kwargs=kwargs, options=options)])

    def _try(self, jobs: Sequence[Job], calls: Sequence[TaskCall]) -> bool:
        if self._is_broker_silent():  # no client waits for a second time-out
            self._leave(jobs, reason="no answer a moment ago")
            return False
        try:
            self._sender.send(calls)
        except BrokerUnreachable as error:
            self._leave(jobs, reason=str(error))
            return False
        return True

    def _stage_call(self, job: Job) -> TaskCall:
        queue = self._registry[job.pipeline].stage(job.stage).queue
        return self._call(ticket.stage_ticket(job), job, queue, owner=job.owner)

    def _finalizer_call(self, job: Job) -> TaskCall | None:
        finalizer = self._registry[job.pipeline].finalizer
        if finalizer is None:
            return None
        return self._call(ticket.finalizer_ticket(job, task=finalizer.task), job, finalizer.queue)

    def _call(
        self, own: Ticket, job: Job, queue: QueueName, *, owner: str | None = None
    ) -> TaskCall:
        options = {
            "task_id": own.task_id,
            "root_id": job.id,
            "headers": own.signed_headers(self._signer),
            "queue": queue,
            "priority": job.priority,
            "declare": [],  # a queue on the default exchange needs none, and it takes its time
            "ignore_result": True,  # the row has it
            "add_to_parent": False,
        }
        return TaskCall(
            task=own.stage, args=(), kwargs={}, options=options, has_ticket=True, owner=owner
        )

    def _leave(self, jobs: Sequence[Job], *, reason: str) -> None:
        about = {"jobs": len(jobs), "first_job_id": jobs[0].id, "reason": reason}
        logger.warning("jobs are published later: the broker did not take them", extra=about)
        try:
            self._unpublished.unpublish(jobs)
        except StorageUnavailable as error:
            logger.warning("jobs will be searched in the broker", extra={"reason": str(error)})
