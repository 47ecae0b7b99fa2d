"""A received message of one of our tasks, in the worker's main process."""

from typing import Any

from celery.worker import state as worker_state
from celery.worker.request import Request

from app.errors import NotAuthentic
from app.jobs import platform
from app.jobs.model import ticket
from app.jobs.model.ticket import Ticket


class StageRequest(Request):  # type: ignore[misc]  # Celery has no types
    """For `JobTask.Request`. A ticket is bound by its job alone: the message's own time limits,
    expiry and ETA do not count."""

    own: Ticket | None = None
    """Its valid ticket. None for a plain call, and for a forged one, which its task refuses."""

    def __init__(self, message: Any, **given: Any) -> None:  # Celery's
        super().__init__(message, **given)
        try:
            self.own = ticket.find_ticket(
                message.headers, task=self.type, signer=platform.of(self.app).signer
            )
        except NotAuthentic:
            return
        if self.own is not None:
            self.time_limits = (None, None)
            self._eta = self._expires = None

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001  # Celery's
        """At the hard limit Celery has killed the child, which cannot record the failure."""
        super().on_timeout(soft, timeout)
        if not soft and self.own is not None and not worker_state.should_terminate:
            platform.of(self.app).runner.fail_killed(self.own)
