"""The base class of every stage: one task that runs tied to a job, and as plain Celery."""

import contextlib
import random
import uuid
from collections.abc import Callable
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Retry, SoftTimeLimitExceeded
from pydantic import BaseModel

from app.errors import (
    BrokerUnreachable,
    CeleriacError,
    LimitExceeded,
    NotAuthentic,
    PermanentError,
    RateLimited,
    RetryableError,
)
from app.jobs import platform
from app.jobs.model import retry, ticket
from app.jobs.model.job import Json, JsonObject
from app.jobs.model.pipeline import HANDED_KEY, Args, FunctionStage, Kwargs, Registry
from app.jobs.model.signing import MessageSigner
from app.jobs.model.ticket import Ticket
from app.jobs.model.work import Work
from app.jobs.publish.refusals import MessageRefusal
from app.jobs.publish.senders import FAIR_HEADER, LIMITED_HEADER
from app.jobs.run import workspace
from app.jobs.run.stage_run import StageOutcome, StageOutcomeKind
from app.jobs.run.stage_runner import StageRunner
from app.jobs.run.stage_work import PlainWork
from app.queues import QueueName


class JobTask(Task):  # type: ignore[misc]  # Celery has no types
    """Use as `@shared_task(name=..., base=JobTask, bind=True)`; `self.work` is the present `Work`.

    A message that carries a ticket runs its job's stage; any other call is plain Celery: arguments
    in, JSON out, `RetryableError` retried by Celery with the pauses that jobs have.
    """

    abstract = True
    Request = "app.jobs.celery.stage_request:StageRequest"
    throws = (PermanentError,)  # logged as what they are: bad input, and no fault of the code

    @property
    def work(self) -> Work:
        """The run that this call is."""
        current = getattr(self.request, "celeriac_work", None)
        if current is None:
            raise CeleriacError(f"the task {self.name} is not running")
        work: Work = current
        return work

    @property
    def runner(self) -> StageRunner:
        """The runs of this process."""
        return platform.of(self.app).runner

    def __call__(self, *args: Any, **kwargs: Any) -> Json:
        try:
            own = ticket.find_ticket(self.request.headers, task=self.name, signer=self._signer)
        except NotAuthentic as error:
            platform.of(self.app).refusals.refuse(
                MessageRefusal.UNSIGNED, str(error), task=self.name, task_id=self.request.id
            )
            raise Ignore(str(error)) from error
        if own is None:
            return self._run_plain(args, kwargs)
        self._move_next()
        try:
            return _answer(self._run_ticket(own))
        finally:
            self._free_slot()

    def hand_on(self, key: str) -> str:
        """The key of the present workspace, signed, for the next task of a chain."""
        return workspace.handed_key(key, self._signer)

    @property
    def _signer(self) -> MessageSigner:
        return platform.of(self.app).signer

    def _move_next(self) -> None:
        """Move the message that is next after this one into the queue."""
        delivery = self.request.delivery_info or {}
        if self.request.headers.get(FAIR_HEADER) and not delivery.get("redelivered"):
            queue = QueueName(delivery["routing_key"])
            with contextlib.suppress(BrokerUnreachable):  # the reconciler moves it
                platform.of(self.app).fair_queues.receive(queue)

    def _free_slot(self) -> None:
        """Let another job run, of an owner whose running jobs are limited."""
        owner = self.request.headers.get(LIMITED_HEADER)
        if isinstance(owner, str):
            with contextlib.suppress(BrokerUnreachable):  # the reconciler frees it
                platform.of(self.app).fair_queues.finish(owner, [self.request.id])

    def _run_ticket(self, own: Ticket) -> StageOutcome:
        """Run it with the arguments in the job's row. Those of the message do not count."""
        run_it = self.runner.run_finalizer if own.is_finalizer else self.runner.run_stage
        return run_it(own, self._call, worker=self.request.hostname or "local")

    def _run_plain(self, args: Any, kwargs: Any) -> Json:
        request = self.request
        runner = self.runner
        work = PlainWork(
            runner.stage_parts,
            key=self._handed_key(args) or request.id or str(uuid.uuid4()),
            attempt=request.retries + 1,
            report=self._report,
        )
        try:
            return self._call(work, args, kwargs)
        except RetryableError as error:
            asked_s = error.retry_after_s if isinstance(error, RateLimited) else None
            failures = request.retries + 1
            pause_s = retry.pause_s(
                failures, policy=runner.policy, asked_s=asked_s, rng=random.random
            )
            most = work.settings.jobs.max_attempts - 1
            raise self.retry(exc=error, countdown=pause_s, max_retries=most) from error

    def _handed_key(self, args: Any) -> str | None:
        """What an earlier stage of a chain calls the work, and hands on in what it returned.

        Not Celery's root id: all tasks that one task sends have the same.
        """
        handed = args[0] if args else None
        key = handed.get(HANDED_KEY) if isinstance(handed, dict) else None
        return workspace.key_of(key, self._signer)

    def _call(self, work: Work, args: Any, kwargs: Any) -> Json:
        self.request.celeriac_work = work
        try:
            return self.run(*args, **kwargs)
        except SoftTimeLimitExceeded as error:
            raise LimitExceeded("the time limit of its queue is over") from error
        finally:
            self.request.celeriac_work = None

    def _report(self, meta: JsonObject) -> None:
        if self.request.id and not self.request.is_eager:
            self.update_state(state="PROGRESS", meta=meta)


def register(celery: Celery, registry: Registry) -> None:
    """Make a task of each function that is a stage."""
    for stage in registry.functions:
        _register(celery, stage, is_last=registry.is_last(stage.task))


def _register(celery: Celery, stage: FunctionStage[Any, Any], *, is_last: bool) -> None:
    def run_function(self: JobTask, *args: Any, **kwargs: Any) -> Json:
        return call(stage, self.work, args, kwargs, hand_on=None if is_last else self.hand_on)

    # Not shared: other applications of this process have their own registry.
    celery.task(name=stage.task, base=JobTask, bind=True, shared=False)(run_function)


def call(
    stage: FunctionStage[Any, Any],
    work: Work,
    args: Args,
    kwargs: Kwargs,
    *,
    hand_on: Callable[[str], str] | None,
) -> Json:
    """Run a stage's function: JSON in, JSON out. The workspace is removed after the last stage,
    which hands nothing on, and left to the next one after the others."""
    given = stage.parse(args, kwargs, work)
    if not stage.has_workspace:
        return _dumped(stage(given, work))
    with workspace.kept(work):
        result = _dumped(stage(given, work))
    if hand_on is not None:
        return {**result, HANDED_KEY: hand_on(work.key)} if isinstance(result, dict) else result
    workspace.remove(work)
    return result


def _dumped(result: object) -> Json:
    return result.model_dump(mode="json") if isinstance(result, BaseModel) else result


def _answer(outcome: StageOutcome) -> Json:
    """The outcome in Celery's words. The message is acknowledged in each case; the row decides what
    comes next, so that Celery is never asked to deliver again."""
    match outcome.kind:
        case StageOutcomeKind.DONE:
            return outcome.output
        case StageOutcomeKind.RETRIED:
            raise Retry("its job is queued again", exc=outcome.error)
        case StageOutcomeKind.FAILED if outcome.error is not None:
            raise outcome.error
        case _:
            raise Ignore(outcome.kind.value)
