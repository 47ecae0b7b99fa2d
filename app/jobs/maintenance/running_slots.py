"""Repairs fair shares of queues: frees what dead workers held, moves what they left."""

from collections.abc import Collection
from typing import Protocol

from app.broker.queues.fair_queues import FairQueues
from app.jobs.model import ticket


class StandingJobs(Protocol):
    """Finds jobs that wait or run (`store.due_jobs`)."""

    def standing(self, task_ids: Collection[str]) -> set[str]:
        """Those of these messages whose job waits for them, or runs by them."""


class RunningSlots:
    """One round of it is `tick`, in the reconciler."""

    def __init__(self, queues: FairQueues, jobs: StandingJobs) -> None:
        self._queues = queues
        self._jobs = jobs

    def tick(self) -> None:
        """Free the slots of runs that have ended, and fill all queues. Raises BrokerUnreachable
        and StorageUnavailable."""
        for owner, task_ids in self._queues.running().items():
            known = {one for one in task_ids if ticket.is_own_task_id(one)}
            standing = self._jobs.standing(known) if known else set()
            if ended := task_ids - standing:
                self._queues.finish(owner, ended)
        self._queues.fill()
